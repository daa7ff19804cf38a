"""containerd: ``certs.d/<registry>/hosts.toml``, which it reads at each pull. Source: containerd, docs/hosts and docs/cri."""

import re
import tomllib
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
    hosts = _parse(result, path).get("host", {})
    if list(hosts)[:1] != [mirror.url] or {**before.get("host", {}), mirror.url: hosts[mirror.url]} != hosts:
        raise refuse(path, "its hosts are not written as tables")
    return result


def remove_host(text: str, before: str | None) -> str:  # noqa: ARG001  # the mark says what was added
    """Return a hosts.toml without the mirror."""
    return without_marked_lines(text)


def hosts_directory(root: Path) -> Path:
    """Return the directory with a folder for each registry: the first of ``config_path``, or containerd's default."""
    configured = config_path(root)
    return root / (configured.split(":")[0].lstrip("/") if configured else _HOSTS)


def config_path(root: Path) -> str | None:
    """Return ``config_path`` of containerd's CRI plugin, as its settings file has it; empty where it does not."""
    try:
        document = tomllib.loads((root / "etc/containerd/config.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        return ""
    plugins: dict[str, Any] = document.get("plugins", {})
    for name in ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"):
        found = plugins.get(name, {}).get("registry", {}).get("config_path", "") if isinstance(plugins.get(name), dict) else ""
        if isinstance(found, str) and found:
            return found
    return ""


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise refuse(path, f"it is not valid TOML: {error}") from error
