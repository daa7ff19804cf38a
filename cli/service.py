"""dcat as a service of systemd: the units, where they belong, and systemctl.

Two units: ``dcat-serve`` runs ``dcat serve --fetch``, ``dcat-sync`` runs ``dcat sync --every``. Root's are those of the machine,
any other user's are that user's own. Source: systemd.service(5), systemd.unit(5) ("Specifiers", "Quoting").
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import NotFoundError, StorageError
from cli.surroundings import Surroundings

MARK = "# written by dcat service install"
SYSTEM_UNITS = Path("/etc/systemd/system")
SERVE, SYNC = "dcat-serve.service", "dcat-sync.service"
# What a service needs of the environment in which it was installed; nothing that may hold a secret.
_KEPT = ("DCAT_HOME", "DCAT_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "IPFS_PATH", "HOME")


@dataclass(frozen=True, slots=True)
class Service:
    """Where the units of this user belong, and how its systemd is spoken to."""

    directory: Path
    is_system: bool

    def systemctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run systemctl; raise `NotFoundError` where there is none."""
        program = shutil.which("systemctl")
        if program is None:
            raise NotFoundError("there is no systemd here", why="systemctl was not found", hint="run dcat serve --fetch by hand")
        command = [program, *([] if self.is_system else ["--user"]), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def require(self, *arguments: str) -> None:
        """Run systemctl; raise `StorageError` with what it says where it fails."""
        done = self.systemctl(*arguments)
        if done.returncode:
            why = "; ".join(done.stderr.split("\n")).strip("; ")[-500:]
            hint = "without systemd, run it in a terminal, or by what starts services there: dcat serve --fetch"
            raise StorageError(f"systemctl {' '.join(arguments)} failed", why=why, hint=hint)


def find_service(surroundings: Surroundings) -> Service:
    """Return the service of this user."""
    if os.geteuid() == 0:
        return Service(SYSTEM_UNITS, is_system=True)
    configured = surroundings.variables.get("XDG_CONFIG_HOME")
    base = Path(configured) if configured else surroundings.user_home / ".config"
    return Service(base / "systemd" / "user", is_system=False)


def unit_texts(service: Service, variables: Mapping[str, str], *, port: int, every: str) -> dict[str, str]:
    """Return the units by their names."""
    serve = ["serve", "--fetch", "--port", str(port), "--no-input"]
    return {
        SERVE: _unit("The dcat server: registry, gateway and pages", serve, service, variables),
        SYNC: _unit("dcat refreshes the catalogues that it follows", ["sync", "--every", every, "--no-input"], service, variables),
    }


def _unit(description: str, arguments: Sequence[str], service: Service, variables: Mapping[str, str]) -> str:
    program = Path(sys.executable).with_name("dcat")
    command = [str(program)] if program.is_file() else [sys.executable, "-P", "-m", "cli.main"]
    environment = [f"Environment={_quote(f'{name}={variables[name]}')}" for name in _KEPT if variables.get(name)]
    target = "multi-user.target" if service.is_system else "default.target"
    lines = [
        MARK,
        "[Unit]",
        f"Description={description}",
        "After=network-online.target",
        "",
        "[Service]",
        *environment,
        f"ExecStart={' '.join(_quote(word, command=True) for word in [*command, *arguments])}",
        "Restart=on-failure",
        "RestartSec=10",
        "NoNewPrivileges=yes",
        "UMask=0077",
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def _quote(text: str, *, command: bool = False) -> str:
    """Return a word as systemd reads it back: in quotes, with its specifiers and, in a command, variables doubled."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped.replace("$", "$$") if command else escaped}"'
