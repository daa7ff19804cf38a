"""``dcat serve``: serve this home over HTTP."""

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog import operations
from catalog.errors import DcatError
from catalog.model.release import format_time
from cli.command import command, command_app
from cli.context import Context
from cli.exits import UsageError
from cli.output import Document
from cli.platforms import this_host
from cli.quantities import parse_size
from cli.secrets import read_token
from cli.streams import write_error
from cli.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.blockstores.writing import FrameStore
    from catalog.home.home import Home
    from catalog.server.publishing import Publisher
    from catalog.server.running import RunningServer
    from catalog.server.settings import Compress, ServerSettings

app = command_app()

_PUBLIC_TARGET = "serve"  # the key of the confirmation in the trust store

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Listen on this address; default: loopback, or all with --public.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="PORT", help="Listen on this port; 0 takes a free one.")]
PublicOption = Annotated[bool, typer.Option("--public", help="Serve other machines too; shows what they can read, and asks once.")]
TokenOption = Annotated[Path | None, typer.Option("--token-file", metavar="FILE", help="Require the token in FILE.")]
AllowedOption = Annotated[
    list[str] | None, typer.Option("--allowed-host", metavar="NAME", help="Accept this Host header too (repeatable).")
]
FetchOption = Annotated[
    bool, typer.Option("--fetch", help="Fetch releases of followed catalogues when an engine pulls them or a page is asked to.")
]
PushOption = Annotated[bool, typer.Option("--push", help="Publish what docker push sends; with --public it needs a token.")]
MaxSizeOption = Annotated[
    str, typer.Option("--max-size", metavar="SIZE", help="With --push, refuse images that unpack to more, such as 20GiB.")
]
CompressOption = Annotated[
    str,
    typer.Option("--compress", metavar="WHEN", help="Compress layers for engines: auto (not for this machine), always, never."),
]


@app.command()
@command(long=True)
def serve(
    context: Context,
    host: HostOption = "",
    port: PortOption = 5078,
    public: PublicOption = False,
    token_file: TokenOption = None,
    allowed_host: AllowedOption = None,
    fetch: FetchOption = False,
    push: PushOption = False,
    max_size: MaxSizeOption = "",
    compress: CompressOption = "auto",
) -> None:
    """Serve the catalogues and images of this home over HTTP.

    Only what this home holds, or with --fetch follows. Read-only, but with --push. Subscribers need only the URL. Ends at Ctrl-C or
    SIGTERM.
    """
    from catalog.limits import DEFAULT_MAX_IMAGE_SIZE, RECORD_CHECK_PERIOD
    from catalog.server.chores import Chore
    from catalog.server.feeding.feeder import Feeder
    from catalog.server.running import run_server
    from catalog.server.settings import ServerSettings
    from catalog.server.site.opening import open_site
    from catalog.sources.kubo import KuboBlockstore

    settings = ServerSettings(
        host=host or None,
        port=port,
        public=public,
        allowed_hosts=tuple(allowed_host or ()),
        token=read_token(context.output, token_file) if token_file else None,
        compress=_read_compress(compress),
        push=push,
    )
    if max_size and not push:
        raise UsageError("--max-size limits what is pushed", hint="dcat serve --push --max-size SIZE")
    most = parse_size("--max-size", max_size) if max_size else DEFAULT_MAX_IMAGE_SIZE
    if public:
        _confirm_public(context, settings)
    chores = [Chore("renewal", RECORD_CHECK_PERIOD, lambda: _renew(context))]
    with context.open_network(context.home) as network:
        feeder = Feeder(lambda: context.open_home(_now()), context.open_network, _write_fetch) if fetch else None
        publisher = _open_publisher(context, most) if push else None
        site = open_site(context.home, _now, KuboBlockstore(network.kubo) if network.kubo else None, feeder, publisher)
        try:
            run_server(site, settings, ready=lambda server: _tell(context, server, push=push), log=_write_log, chores=chores)
        finally:
            if feeder is not None:
                feeder.close()
            if publisher is not None:
                publisher.close()


def _open_publisher(context: Context, max_size: int) -> "Publisher":
    """Return what takes pushes of images up to ``max_size``.

    Each push, and each share, has a home of its own, opened at that moment.
    """
    from catalog.intake.inbox import Inbox
    from catalog.own.moving import open_held
    from catalog.server.publishing import Publisher

    def open_home() -> "Home":
        return context.open_home(_now())

    @contextmanager
    def open_session() -> "Iterator[tuple[Home, FrameStore]]":
        with open_home() as home, context.open_network(home) as network:
            yield home, open_held(home, network)

    inbox = Inbox(open_session, context.home.blocks, max_size=max_size)
    return Publisher(inbox, open_home, context.open_network, _write_push, this_host())


def _read_compress(text: str) -> "Compress":
    choices: tuple[Compress, ...] = ("auto", "always", "never")
    for choice in choices:
        if choice == text:
            return choice
    raise UsageError(f'--compress takes auto, always or never, not "{text[:80]}"')


def _now() -> datetime:
    return datetime.now(UTC)


def _renew(context: Context) -> None:
    """Renew records while the server runs; each time with a home of its own, opened at that moment."""
    with context.open_home(_now()) as home, context.open_network(home) as network:
        for failure in operations.renew(home, network):
            context.output.warn(failure)


def _tell(context: Context, server: "RunningServer", *, push: bool) -> None:
    name = context.home.own_catalogue()
    context.show(Document("serving", {"url": server.url, "catalogue": name}, [server.url], [f"Serving {server.url}"]))
    if name is None:
        context.note("This home has no catalogue yet; the first dcat publish creates it")
    else:
        context.note(f"Catalogue {name}")
        context.note(f"To follow it: dcat subscribe ALIAS {server.url}")
    if push:
        place = server.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        context.note(f"To publish: docker push {place}/NAME:VERSION")


def _confirm_public(context: Context, settings: "ServerSettings") -> None:
    """Show what others will be able to read, and ask once; the home remembers the yes."""
    from catalog.trust.store import confirm_target, is_confirmed

    exposed = operations.list_exposed(context.home)
    reach = "everybody with the token" if settings.token else "everybody"
    seen = "; ".join(exposed.lines)
    context.output.warn(f"public on {settings.listening_host} port {settings.port}: {reach} who reaches it can read: {seen}")
    if settings.push:
        context.output.warn("with --push everybody with the token can publish in your name")
    with context.home.trust.read() as connection:
        known = is_confirmed(connection, _PUBLIC_TARGET)
    if known:
        return
    if not context.confirm("Make this public?"):
        raise UsageError(
            "not served: not confirmed",
            why="what was once public cannot be taken back",
            hint="dcat serve --public --yes",
        )
    with context.home.trust.write() as connection:
        confirm_target(connection, _PUBLIC_TARGET, context.home.time)


def _write_fetch(text: str, error: Exception | None) -> None:
    """Write a line on a fetch; of one that failed with the reason, which says how each source answered."""
    reason = f": {error.why}" if isinstance(error, DcatError) and error.why else ""
    why = "" if error is None else f" failed: {error}{reason}"
    write_error(escape(f"{format_time(_now())} {text}{why}") + "\n")


def _write_push(text: str, error: Exception | None) -> None:
    why = "" if error is None else f": {getattr(error, 'why', '') or error}"
    write_error(escape(f"{format_time(_now())} {text}{why}") + "\n")


def _write_log(line: str) -> None:
    write_error(escape(line) + "\n")
