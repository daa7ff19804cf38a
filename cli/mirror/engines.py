"""The engines that are known, their files of settings, and what makes them read these."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.failures import UsageError
from cli.mirror import containerd, containers, dockerd, k3s
from cli.mirror.change import Add, Change, Remove, backup_of, plan_install, plan_remove, read_text
from cli.mirror.mirror import DOCKER_HUB, Mirror, refuse


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: how it is found, its files for a mirror, how these are changed, and what it needs to read them.

    ``finds`` are a folder below the root and a program that say that it is there; ``others`` returns further files that may have a
    mirror. ``check`` raises where the mirror cannot be added, ``note`` returns what is to be done or known besides, if anything.
    """

    name: str
    finds: tuple[str, str]
    files: Callable[[Path, Mirror], list[Path]]
    add: Add
    remove: Remove
    note: Callable[[Path, Mirror], str] = lambda root, mirror: ""  # noqa: ARG005  # most read their files at each pull
    check: Callable[[Path, Mirror], None] = lambda root, mirror: None  # noqa: ARG005
    others: Callable[[Path], Iterable[Path]] = lambda root: ()  # noqa: ARG005

    def is_there(self, root: Path) -> bool:
        """Return whether the engine is on this machine, or in the system below ``root``."""
        folder, program = self.finds
        return (root / folder).is_dir() or (root == Path("/") and shutil.which(program) is not None)

    def plan_install(self, root: Path, mirror: Mirror) -> list[Change]:
        """Return the changes that add the mirror."""
        self.check(root, mirror)
        return [_inside(root, plan_install(path, mirror, self.add, self.remove)) for path in self.files(root, mirror)]

    def plan_remove(self, root: Path) -> list[Change]:
        """Return the changes that take out every mirror that was added."""
        return [_inside(root, plan_remove(path, self.remove)) for path in self.installed(root)]

    def installed(self, root: Path) -> list[Path]:
        """Return the files that have a mirror of dcat."""
        found = []
        for path in sorted({*self.files(root, Mirror(0)), *self.others(root)}):
            text = read_text(path)
            if text is not None and self.remove(text, read_text(backup_of(path))) != text:
                found.append(path)
        return found


def _inside(root: Path, change: Change) -> Change:
    """Return a change; raise an error where a link leads out of the system whose settings are meant."""
    target = change.path.resolve()
    if not target.is_relative_to(root.resolve()):
        raise refuse(str(change.path), f"it leads to {target}, out of {root}")
    return change


def _note_containerd(root: Path, mirror: Mirror) -> str:  # noqa: ARG001  # as the others
    if containerd.config_path(root) != "":
        return ""
    place = f"/{containerd.hosts_directory(root).relative_to(root)}"
    return f'containerd 1.x reads this only with config_path = "{place}" in the registry section of its CRI plugin (config.toml)'


def _note_docker(root: Path, mirror: Mirror) -> str:  # noqa: ARG001
    others = [name for name in mirror.registries if name != DOCKER_HUB]
    only = f"docker asks mirrors for {DOCKER_HUB} only, not for {', '.join(others)}; " if others else ""
    return f"{only}docker reads it after: systemctl reload docker"


def _rancher(name: str, shown: str, server: str) -> Engine:
    """Return k3s or RKE2, which have the same file in a folder each; ``server`` is the unit of a node that is not only an agent."""
    folder = f"etc/rancher/{name}"
    return Engine(
        name,
        (folder, name),
        lambda root, _: [root / folder / "registries.yaml"],
        k3s.add_endpoints,
        k3s.remove_endpoints,
        note=lambda _root, _mirror: f"{shown} reads it after: systemctl restart {server} (or {name}-agent)",
    )


ENGINES = (
    Engine(
        "containerd",
        ("etc/containerd", "containerd"),
        lambda root, mirror: [containerd.hosts_directory(root) / name / "hosts.toml" for name in mirror.registries],
        containerd.add_host,
        containerd.remove_host,
        note=_note_containerd,
        others=lambda root: containerd.hosts_directory(root).glob("*/hosts.toml"),
    ),
    Engine(
        "docker",
        ("etc/docker", "dockerd"),
        lambda root, mirror: [root / "etc/docker/daemon.json"] if DOCKER_HUB in mirror.registries else [],
        dockerd.add_mirror,
        dockerd.remove_mirror,
        note=_note_docker,
    ),
    Engine(
        "podman",
        ("etc/containers", "podman"),
        lambda root, _: [root / containers.FOLDER / containers.FILE],
        containers.make_drop_in,
        containers.remove_drop_in,
        check=containers.check_others,
    ),
    _rancher("k3s", "k3s", "k3s"),
    _rancher("rke2", "RKE2", "rke2-server"),
)
NAMES = tuple(engine.name for engine in ENGINES)


def choose(names: Sequence[str], root: Path) -> list[Engine]:
    """Return the engines with these names, or those that are there; raise `UsageError`."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UsageError(f'no engine is called "{unknown[0][:60]}"', why=f"known are {', '.join(NAMES)}")
    if names:
        return [engine for engine in ENGINES if engine.name in names]
    found = [engine for engine in ENGINES if engine.is_there(root)]
    if not found:
        raise UsageError("there is no engine here", why=f"none of {', '.join(NAMES)} was found", hint="name one")
    return found
