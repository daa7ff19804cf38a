"""The settings in force and where each comes from: the environment overrides the file, the file overrides the defaults.

`cli.settings.keys` declares the keys, `cli.settings.file` reads and edits the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalog.clients.kubo_address import find_rpc
from catalog.errors import InvalidConfigError
from cli.settings.file import read_file_values
from cli.settings.keys import AUTO, KEYS, LEAST, MOST, Value, read_url
from cli.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in force: its value, its origin (``environment``, ``file``, ``default``), and the variable or file it came from."""

    key: str
    value: Value
    origin: str
    place: str = ""

    @property
    def text(self) -> str:
        """The value as it is typed."""
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        return f"{self.value:g}" if isinstance(self.value, float) else self.value


@dataclass(frozen=True, slots=True)
class Source:
    """A source of blocks and records; never trusted."""

    name: str
    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    catalogue: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A pinning service that is asked to keep what is shared."""

    name: str
    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings in force by key; a key that is not set and has no default is absent."""

    by_key: Mapping[str, Setting]
    variables: Mapping[str, str] = field(default_factory=dict)

    def changed(self, setting: Setting) -> "Settings":
        """Return these settings with another one in force."""
        return Settings({**self.by_key, setting.key: setting}, self.variables)

    def text(self, key: str) -> str:
        """Return a setting as text, empty where it is not set."""
        return self.by_key[key].text if key in self.by_key else ""

    @property
    def kubo(self) -> str:
        """The URL of Kubo's RPC, or an empty text."""
        return self.find_kubo(self.text("kubo"))

    def find_kubo(self, text: str) -> str:
        """Return the URL that a value of ``kubo`` stands for now."""
        if text != AUTO:
            return text
        repository = self.variables.get("IPFS_PATH")
        return find_rpc(Path(repository) if repository else Surroundings(self.variables).user_home / ".ipfs")

    @property
    def kubo_token_file(self) -> Path | None:
        return Path(self.text("kubo-token-file")) if self.text("kubo-token-file") else None

    @property
    def cluster(self) -> str:
        """The URL of the REST API of an IPFS Cluster's peer, or an empty text."""
        return self.text("cluster")

    def file(self, key: str) -> Path | None:
        """Return a setting that names a file."""
        return Path(self.text(key)) if self.text(key) else None

    @property
    def replicas(self) -> tuple[int, int]:
        """In how many nodes of a cluster the catalogue is kept: at least, and at most.

        Raise `InvalidConfigError` where the user's own limit is below what is needed at least.
        """
        least, most = (int(float(self.text(key))) for key in (LEAST, MOST))
        if self.by_key[MOST].origin == "default":
            return least, max(least, most)
        if most < least:
            raise InvalidConfigError(
                f"{MOST}: {most} is less than {LEAST}, which is {least}",
                why=f"nothing counts as shared before {least} nodes keep it",
                hint=f"dcat config set {MOST} {least}",
            )
        return least, most

    @property
    def services(self) -> tuple[Service, ...]:
        """The configured pinning services, ordered by name."""
        names = sorted({key.split(".")[1] for key in self.by_key if key.startswith("pinning.")})
        return tuple(
            Service(name, url, self.file(f"pinning.{name}.token-file"), self.file(f"pinning.{name}.ca-file"))
            for name in names
            if (url := self.text(f"pinning.{name}.url"))
        )

    @property
    def deltas(self) -> bool:
        return bool(self.by_key["deltas"].value)

    @property
    def offline(self) -> bool:
        return bool(self.by_key["offline"].value)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The configured sources, ordered by name."""
        names = sorted({key.split(".")[1] for key in self.by_key if key.startswith("sources.")})
        found = []
        for name in names:
            token, authority = self.text(f"sources.{name}.token-file"), self.text(f"sources.{name}.ca-file")
            url = self.text(f"sources.{name}.url")
            if url:
                catalogue = self.text(f"sources.{name}.catalogue") or None
                found.append(Source(name, url, Path(token) if token else None, Path(authority) if authority else None, catalogue))
        return tuple(found)


def read_settings(path: Path, variables: Mapping[str, str]) -> Settings:
    """Return the settings of the file, overridden by the environment; a missing file is an empty one."""
    by_key = {key: Setting(key, known.default, "default") for key, known in KEYS.items() if known.default is not None}
    for key, value in read_file_values(path).items():
        by_key[key] = Setting(key, value, "file", str(path))
    for key, known in KEYS.items():
        if known.variable and variables.get(known.variable):
            by_key[key] = Setting(key, known.read(known.variable, variables[known.variable]), "environment", known.variable)
    for number, url in enumerate(re.split(r"[\s,]+", variables.get("DCAT_SOURCES", "").strip()), 1):
        if url:
            key = f"sources.environment-{number}.url"
            by_key[key] = Setting(key, read_url("DCAT_SOURCES", url), "environment", "DCAT_SOURCES")
    return Settings(by_key, variables)
