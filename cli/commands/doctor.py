"""``dcat doctor``: check everything that dcat depends on."""

from typing import Annotated

import typer

from catalog import operations
from catalog.clients.url import normalize_url
from catalog.errors import UnavailableError
from catalog.sources.network import SourceSetting
from cli.command import command, command_app
from cli.context import Context
from cli.exits import exit_code
from cli.failures import ReportedError
from cli.output import Document, Table
from cli.quantities import format_count

app = command_app()

NetworkOption = Annotated[
    bool, typer.Option("--network", help="Only the network: the hosts that dcat would ask; every source is asked for a record.")
]

StaticOption = Annotated[
    str, typer.Option("--static", metavar="URL", help="Check a host of plain files, and which clients can pull.")
]

_NETWORK = frozenset({"network", "kubo", "cluster", "pinning"})
_WORDS = {"ok": "ok", "note": "note", "failed": "FAILED"}


@app.command()
@command
def doctor(context: Context, network: NetworkOption = False, static: StaticOption = "") -> None:
    """Check the engine, the home, the keys and the versions.

    Each line shows what was found, and what to do where something is wrong. The exit code is that of the first failure. With
    --static a host to which a folder of export --static was copied is asked as its clients would ask it.
    """
    checks = _check_host(context, static) if static else _check_here(context, ask=network)
    if network:
        checks = [check for check in checks if check.subject in _NETWORK or check.subject.startswith("source")]
    body = [
        {"subject": check.subject, "state": check.state, "text": check.text, "hint": check.hint}
        | ({"code": check.error.code, "why": check.error.why} if check.error else {})
        for check in checks
    ]
    rows = []
    for check in checks:
        rows.append((check.subject, _WORDS[check.state], _with_reason(check)))
        if check.hint:
            rows.append(("", "try", check.hint))
    raw = [(check.subject, check.state, _with_reason(check), check.hint) for check in checks]
    failed = [check for check in checks if check.state == "failed"]
    table = Table(("WHAT", "STATE", "FOUND"), rows, raw=raw)
    notes = sum(check.state == "note" for check in checks)
    closing = "" if failed else f"Nothing failed; {format_count(notes, 'note')}." if notes else "All is well."
    context.show(Document("doctor", {"checks": body}, [check.subject for check in failed], [table], closing))
    if failed:
        raise ReportedError(exit_code(failed[0].error) if failed[0].error else 1)


def _with_reason(check: operations.Finding) -> str:
    """Return what was found and why, unless the reason stands in place of a hint."""
    why = check.error.why if check.error is not None else ""
    return f"{check.text}: {why}" if why and why != check.hint else check.text


def _check_here(context: Context, *, ask: bool) -> list[operations.Finding]:
    return operations.diagnose(context.home, lambda: context.engine, context.network, ask=ask)


def _check_host(context: Context, text: str) -> list[operations.Finding]:
    if context.settings.offline:
        raise UnavailableError(f"{text} cannot be asked", why="the network is switched off: offline is set")
    url = normalize_url(text)
    with context.open_network(context.home, [SourceSetting(url)]) as network:
        return operations.diagnose_host(next(client for client in network.clients if client.url == url), context.now)
