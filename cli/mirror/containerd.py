"""containerd: ``certs.d/<registry>/hosts.toml``, which it reads at each pull. Source: containerd, docs/hosts and docs/cri."""

import re
import tomllib
from os.path import normpath
from pathlib import Path
from typing import Any

from cli.mirror.mirror import MARK, Mirror, refuse, without_marked_lines

_HOSTS = "etc/containerd/certs.d"
_HOST_TABLE = re.compile(r"^[ \t]*\[[ \t]*host\b", re.MULTILINE)


def add_host(text: str, mirror: Mirror, path: str) -> str:
    """Return a hosts.toml with the mirror before all other hosts: they are asked in the order of the file."""
    before = _parse(text, path)
    if mirror.url in before.get("host", {}):
        return text  # somebody wrote it by hand
    capabilities = '["pull"]' if mirror.pull_only else '["pull", "resolve"]'
    block = f'[host."{mirror.url}"] {MARK}\n  capabilities = {capabilities} {MARK}\n'
    first = _HOST_TABLE.search(text)
    if first is not None:
        result = text[: first.start()] + block + text[first.start() :]
    else:
        result = text + ("" if not text or text.endswith("\n") else "\n") + block
    try:
        hosts = tomllib.loads(result).get("host", {})
    except tomllib.TOMLDecodeError:
        hosts = {}
    if list(hosts)[:1] != [mirror.url] or {**before.get("host", {}), mirror.url: hosts[mirror.url]} != hosts:
        raise refuse(path, "its hosts are not written as tables")
    return result


def remove_host(text: str, before: str | None) -> str:  # noqa: ARG001  # the mark says what was added
    """Return a hosts.toml without the mirror, and without what was written into its table since.

    Left behind, such a line would belong to the table before: ``skip_verify``, for one, to the registry itself.
    """
    kept, is_ours = [], False
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if bare.startswith("["):
            is_ours = bare.endswith(MARK)
        if not is_ours or not bare or bare.startswith("#"):
            kept.append(line)
    return without_marked_lines("".join(kept))


def hosts_directory(root: Path) -> Path:
    """Return the directory with a folder for each registry: the first of ``config_path``, or containerd's default."""
    configured = config_path(root)
    return root / (normpath("/" + configured.split(":")[0]).lstrip("/") if configured else _HOSTS)


def config_path(root: Path) -> str | None:
    """Return ``config_path`` of containerd's CRI plugin, as its settings file has it; empty where it does not."""
    try:
        document = tomllib.loads((root / "etc/containerd/config.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return ""
    for name in ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"):
        found: object = document
        for key in ("plugins", name, "registry", "config_path"):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and found:
            return found
    return ""


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refuse(path, f"it is not valid TOML: {error}") from error
