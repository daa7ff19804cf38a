"""``dcat sync``: refresh followed catalogues, and share pending changes."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from catalog import operations
from catalog.errors import DcatError
from cli.command import command, command_app
from cli.context import Context
from cli.exits import ReportedError, UsageError, exit_code, report
from cli.following import error_body, update_body, update_lines, update_warnings
from cli.output import Document
from cli.quantities import format_count, format_size, parse_span
from cli.sharing import clock_warnings, delta_lines, lost_warnings, merge_warnings, service_lines, service_warnings, shared_body

app = command_app()

_SHORTEST = 60

AliasesArgument = Annotated[list[str] | None, typer.Argument(metavar="[ALIAS...]", help="Catalogues to refresh; default: all.")]
EveryOption = Annotated[str, typer.Option("--every", metavar="1h", help="Repeat at this interval.")]
MirrorOption = Annotated[bool, typer.Option("--mirror", help="Also fetch every image, and help to distribute them.")]


@app.command()
@command(long=True)
def sync(context: Context, aliases: AliasesArgument = None, every: EveryOption = "", mirror: MirrorOption = False) -> None:
    """Refresh the catalogues you follow, and share pending changes of your own.

    Prints what changed. A failure of one catalogue does not stop the others; the exit code is that of the first failure.
    """
    if not every:
        status = _sync_once(context, aliases or [], mirror=mirror, now=context.now)
        if status:
            raise ReportedError(status)
        return
    pause = parse_span("--every", every).total_seconds()
    if pause < _SHORTEST:
        raise UsageError(f"--every must be at least {_SHORTEST} seconds", why="each sync asks sources over the network")
    while True:
        _sync_once(context, aliases or [], mirror=mirror, now=datetime.now(UTC))
        context.settle()
        time.sleep(pause)


def _sync_once(context: Context, aliases: list[str], *, mirror: bool, now: datetime) -> int:
    with context.open_home(now) as home, context.open_network(home) as network:
        done = operations.sync(home, network, aliases, mirror=mirror, deltas=context.settings.deltas, progress=context.progress)
    context.show(_document(context, done))
    error = done.first_error
    if error is None:
        return 0
    for failed in _failures(done):
        report(failed, ["sync", *aliases], as_json=context.options.json, debug=context.options.debug)
    return exit_code(error)


def _failures(done: "operations.Synced") -> list[DcatError]:
    found = [update.error for update in done.updates if update.error is not None]
    return [*found, *([done.share_error] if done.share_error is not None else [])]


def _document(context: Context, done: "operations.Synced") -> Document:
    shared = done.shared
    body = {
        "catalogues": [update_body(update) for update in done.updates],
        "shared": None if shared is None else shared_body(shared),
        "share_error": None if done.share_error is None else error_body(done.share_error),
        "mirrored": [
            {
                "alias": entry.alias,
                "archives": entry.archives,
                "fetched": entry.fetched,
                "failures": [{"reference": reference, **error_body(error)} for reference, error in entry.failures],
            }
            for entry in done.mirrored
        ],
    }
    lines = [line for update in done.updates for line in update_lines(context, update)]
    warnings = [warning for update in done.updates for warning in update_warnings(update)]
    for entry in done.mirrored:
        lines.append(f"{entry.alias}: {format_count(entry.archives, 'image')} held here, {format_size(entry.fetched)} fetched")
        warnings += [f"{reference} could not be fetched: {error.message}" for reference, error in entry.failures]
    if shared is not None:
        warnings += [*clock_warnings(shared), *merge_warnings(shared), *lost_warnings(shared), *service_warnings(shared)]
        where = f"shared ({', '.join(shared.targets)})" if shared.targets else "signed here"
        lines.append(f"mine: {where}, sequence {shared.record.sequence}")
        lines += [f"{name}: {text}" for name, text in (*delta_lines(shared), *service_lines(shared))]
        if shared.pending:
            warnings.append(f"not shared yet: {shared.pending}")
    if not lines and done.share_error is None:
        lines = ["No catalogue is followed here, and nothing was published"]
    closing = "" if done.updates or shared else "To follow a catalogue: dcat subscribe ALIAS NAME|URL"
    return Document("sync", body, [update.alias for update in done.updates if update.changes], lines, closing, tuple(warnings))
