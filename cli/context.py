"""The context of one command: its common options, the environment (read once), one moment for `now`, the home and the output.

Nothing below `cli` reads the environment; values are passed down from here.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property

import catalog
from catalog.errors import AmbiguousReferenceError, LockedError, StorageError
from catalog.record import record
from cli.failures import UsageError
from cli.output import Document, Output, is_terminal
from cli.streams import write_error
from cli.surroundings import Surroundings
from cli.text import escape_lines, redact

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from catalog.clients.docker import Engine
    from catalog.home.home import Home
    from catalog.progress import Progress
    from catalog.sources.network import Network, SourceSetting
    from cli.settings import Settings

PROGRESS_MODES = ("auto", "plain", "json", "none")

_ALARM_INTERVAL = 0.25  # seconds


@record(frozen=True, slots=True)
class Options:
    """The options that every command takes."""

    json: bool = False
    quiet: bool = False
    no_input: bool = False
    yes: bool = False
    progress: str = "auto"
    timeout: float | None = None
    debug: bool = False

    def over(self, outer: Options) -> Options:
        """Merge with the options typed before the verb; the ones typed after it take precedence."""
        return Options(
            json=self.json or outer.json,
            quiet=self.quiet or outer.quiet,
            no_input=self.no_input or outer.no_input,
            yes=self.yes or outer.yes,
            progress=outer.progress if self.progress == "auto" else self.progress,
            timeout=outer.timeout if self.timeout is None else self.timeout,
            debug=self.debug or outer.debug,
        )


class Context:
    """One run of one command: its options, the environment, the one `now`, and where results and progress go."""

    def __init__(self, options: Options, output: Output, surroundings: Surroundings, now: datetime, progress: Progress) -> None:
        self.options = options
        self.output = output
        self.surroundings = surroundings
        self.now = now
        self.progress = progress
        self._warned: set[Path] = set()

    @cached_property
    def settings(self) -> Settings:
        """The settings in force; read on first use."""
        from cli.settings import read_settings

        return read_settings(self.surroundings.config, self.surroundings.variables)

    @cached_property
    def home(self) -> Home:
        """The opened home; opening creates what is missing, migrates what is old, and completes what a crash interrupted."""
        from catalog.model.text import quote
        from catalog.storage.files import open_mode

        home = self.open_home(self.now)
        if (mode := open_mode(home.path)) is not None:
            self.output.warn(
                f"{home.path} can be changed by everybody on this machine (mode {mode:04o}). "
                f"To fix it: chmod 700 {quote(str(home.path))}"
            )
        return home

    @cached_property
    def engine(self) -> Engine:
        """The engine that the docker command would use; raises `EngineUnavailableError`."""
        from cli.reach import open_engine

        return open_engine(self.surroundings)

    @cached_property
    def network(self) -> Network:
        """The sources of blocks and records: none, unless they were configured."""
        return self.open_network(self.home)

    def open_home(self, now: datetime) -> Home:
        """Open the home at another moment than the context's: a command that runs on does so for each round."""
        path = self.surroundings.home
        if not path.is_dir() and (missing := self.surroundings.missing_user_home) is not None:
            raise StorageError(
                f"the home {path} cannot be created",
                why=f"the home directory of this user, {missing}, does not exist",
                hint="set DCAT_HOME to a directory of your own",
            )
        try:
            return catalog.open_home(path, now=now, crash_point=crash_point(self.surroundings.variables))
        except StorageError as error:
            if not path.is_dir():
                error.hint = "set DCAT_HOME to a directory that can be written"
            raise

    def open_network(self, home: Home, extra: Sequence[SourceSetting] = ()) -> Network:
        """Return the network that settings and environment configure, with ``extra`` sources added."""
        from cli.reach import open_configured_network

        self._warn_of_shared_tokens()
        return open_configured_network(self.settings, self.surroundings.variables, home, extra)

    def _warn_of_shared_tokens(self) -> None:
        from cli.secrets import warn_if_shared

        settings = self.settings
        files = [source.token_file for source in settings.sources] + [service.token_file for service in settings.services]
        for path in [*files, settings.kubo_token_file, settings.file("cluster-token-file")]:
            if path is not None and path not in self._warned:
                self._warned.add(path)
                warn_if_shared(self.output, path, "a token")

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return not self.options.no_input and not self.options.json and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def confirm(self, question: str) -> bool:
        """Ask for a yes; ``--yes`` is one, and where nobody can be asked the answer is no."""
        if self.options.yes:
            return True
        if not self.interactive:
            return False
        self.settle()
        return ask(f"{question} [y/N] ").strip().lower() in {"y", "yes"}

    def ask(self, question: str, *, option: str) -> str:
        """Ask for a text on a terminal; elsewhere raise an error whose hint is ``option``."""
        if not self.interactive:
            raise AmbiguousReferenceError(
                f"{question}: nobody can be asked", why="there is no terminal, or --no-input was given", hint=option
            )
        return ask(f"{question}: ").strip()

    def close(self) -> None:
        """Close what was opened, the home last."""
        for name in ("engine", "network", "home"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def settle(self) -> None:
        """Remove progress bars before something else is written."""
        if (end := getattr(self.progress, "close", None)) is not None:
            end()

    def note(self, text: str) -> None:
        """Write a line that is not data to stderr."""
        self.settle()
        self.output.note(text)

    def show(self, document: Document) -> None:
        """Print the command's result."""
        self.settle()
        self.output.show(document)


def make_context(options: Options, variables: Mapping[str, str], *, progress: Progress, long: bool = False) -> Context:
    """Return the context of a new command; checks the common options and takes the one `now`."""
    if options.progress not in PROGRESS_MODES:
        raise UsageError(f'--progress: "{options.progress}" is not a known form', why=f"the forms are {', '.join(PROGRESS_MODES)}")
    surroundings = Surroundings(variables)
    output = Output(json=options.json, quiet=options.quiet, long=long)
    return Context(options, output, surroundings, datetime.now(UTC), progress)


def ask(prompt: str) -> str:
    """Read a line from the terminal; the prompt goes to stderr, so that stdout holds data only."""
    write_error(escape_lines(redact(prompt)))
    return sys.stdin.readline()


def crash_point(variables: Mapping[str, str]) -> Callable[[str], None]:
    """Return the hook that ends this process as ``kill -9`` does at its n-th call (``DCAT_CRASH_AT=n``, for tests)."""
    limit = variables.get("DCAT_CRASH_AT", "")
    if not limit.isascii() or not limit.isdigit():
        return lambda _label: None
    remaining = [int(limit)]

    def reach(_label: str) -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
            os.kill(os.getpid(), 9)

    return reach


@contextmanager
def limit_time(seconds: float | None) -> Iterator[None]:
    """Raise `LockedError` in the main thread when the body has taken ``seconds``; None is no limit."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise LockedError(f"not done within {seconds:g} s", why="the limit that --timeout or DCAT_TIMEOUT sets has passed")

    if seconds is None:
        yield
        return
    import signal

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again until it is handled: a signal that another thread receives does not wake the main thread.
    signal.setitimer(signal.ITIMER_REAL, seconds, _ALARM_INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
