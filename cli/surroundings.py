"""The environment's variables, and the paths that follow from them. Light: the quick answers import it."""

from __future__ import annotations

import os
import sys

from catalog.record import record

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@record(frozen=True, slots=True)
class Surroundings:
    """The environment's variables, and the paths that they set."""

    variables: Mapping[str, str]

    @property
    def user_home(self) -> Path:
        """The user's home directory: ``HOME`` where it is an absolute path, else what the user database says.

        An empty ``HOME`` is common in services and containers; taken as it is, it would make ``/.local`` of ``~/.local``.
        """
        from pathlib import Path  # here, since the quick answers only need `home_text`

        return Path(self._user_home())

    def _user_home(self) -> str:
        if os.path.isabs(self.variables.get("HOME", "")):
            return self.variables["HOME"]
        from pwd import getpwuid

        try:
            directory = getpwuid(os.getuid()).pw_dir
        except KeyError:
            directory = ""
        if not os.path.isabs(directory):
            from catalog.errors import InvalidConfigError

            raise InvalidConfigError(
                "the home directory of this user is not known",
                why="HOME is not set, and the user database has no entry",
                hint="set DCAT_HOME to a directory of your own",
            )
        return directory

    @property
    def home(self) -> Path:
        """The home: ``DCAT_HOME``, else ``dcat`` in the platform's data directory."""
        from pathlib import Path

        return Path(self.home_text)

    @property
    def home_text(self) -> str:
        """The path of the home as text."""
        if self.variables.get("DCAT_HOME"):
            return self._expand(self.variables["DCAT_HOME"])
        return self._directory("XDG_DATA_HOME", ".local/share")

    @property
    def missing_user_home(self) -> str | None:
        """The user's home directory, where the home is to be in it and it does not exist; None elsewhere.

        Users without one have ``/nonexistent`` or the like: root, who could make it, would put a home where nobody looks.
        """
        if self.variables.get("DCAT_HOME") or os.path.isabs(self.variables.get("XDG_DATA_HOME", "").strip()):
            return None
        directory = self._user_home()
        return None if os.path.isdir(directory) else directory

    @property
    def config(self) -> Path:
        """The settings file: ``DCAT_CONFIG``, ``config.toml`` in ``DCAT_HOME``, or ``dcat/config.toml`` in the usual directory.

        A home of its own has settings of its own: the sources and the node of one home are not asked by another.
        """
        from pathlib import Path

        if self.variables.get("DCAT_CONFIG"):
            return Path(self._expand(self.variables["DCAT_CONFIG"]))
        if self.variables.get("DCAT_HOME"):
            return self.home / "config.toml"
        return Path(self._directory("XDG_CONFIG_HOME", ".config"), "config.toml")

    def _directory(self, variable: str, default: str) -> str:
        """Return dcat's directory of one kind (XDG base directory specification; Apple's file system guidelines).

        The specification wants a relative path ignored: it would mean another directory in each working directory.
        """
        configured = self.variables.get(variable, "").strip()
        if os.path.isabs(configured):
            return os.path.join(configured, "dcat")
        data = "Library/Application Support" if sys.platform == "darwin" else default
        return os.path.join(self._user_home(), data, "dcat")

    def _expand(self, text: str) -> str:
        return os.path.join(self._user_home(), text[2:]) if text.startswith("~/") else os.path.expanduser(text)
