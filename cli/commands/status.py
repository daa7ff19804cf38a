"""``dcat status``: show the state of the home."""

from typing import TYPE_CHECKING

from catalog import operations
from catalog.documents.catalogues import describe_catalogue
from catalog.documents.encoding import to_json
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.quantities import age_of, format_count, format_size
from cli.sharing import replicas_body, service_body

if TYPE_CHECKING:
    from catalog.own.pinning import ServiceState

app = command_app()


@app.command()
@command
def status(context: Context) -> Document:
    """Show the catalogues, their state and what is stored.

    Offline: it shows what is known here. To refresh a catalogue that was not checked for long: dcat sync.
    """
    kubo, cluster = context.network.kubo, context.network.cluster
    urls = [client.url if client is not None else "" for client in (kubo, cluster)]
    services = [(service.name, service.url) for service in context.network.services]
    found = operations.status(context.home, kubo=urls[0], cluster=urls[1], services=services)
    rows = [_row(context, entry) for entry in found.catalogues]
    columns = ("CATALOGUE", "ROLE", "SEQ", "CHECKED", "EXPIRES", "RELEASES", "STATE")
    raw = [_raw_row(entry) for entry in found.catalogues]
    parts: list[str | Table] = [Table(columns, rows, frozenset({"SEQ", "RELEASES"}), raw)] if rows else []
    parts.append(fields(_pairs(context, found)))
    closing = "" if rows else "No catalogue yet. The first publish creates one: dcat publish NAME VERSION"
    if any(entry.row.own and entry.unshared for entry in found.catalogues):
        closing = "To share what is pending, and see what prevents it: dcat sync"
    warnings = [
        f'catalogue "{entry.row.label}": {entry.freshness.text}'
        for entry in found.catalogues
        if entry.freshness is not None and entry.freshness.warns
    ]
    return Document("status", _body(found), [entry.row.catalogue for entry in found.catalogues], parts, closing, warnings)


def _body(found: "operations.Status") -> dict[str, object]:
    return {
        "home": str(found.home),
        "catalogues": [_describe_catalogue(entry) for entry in found.catalogues],
        "services": [service_body(service) for service in found.services],
        "blocks": found.stored.blocks,
        "stored": found.stored.bytes,
        "file": found.stored.file_size,
        "pins": found.pins,
        "deltas": {
            "taken": found.savings.deltas,
            "received": found.savings.received,
            "saved": found.savings.saved,
            "cached": found.cached_deltas,
        },
    }


def _describe_catalogue(entry: "operations.CatalogueStatus") -> dict[str, object]:
    body: dict[str, object] = to_json(describe_catalogue(entry))
    return body | {
        "age": entry.freshness.age if entry.freshness else None,
        "seen": list(entry.seen),
        "revoked": entry.revoked,
        "unconfirmed": entry.unconfirmed,
        "withheld": entry.withheld,
        "unshared": entry.unshared,
        "shared": list(entry.shared),
        "replicas": replicas_body(entry.replicas) if entry.replicas is not None else None,
        "state": _state(entry),
    }


def _pairs(context: Context, found: "operations.Status") -> list[tuple[str, str]]:
    return [
        ("home", str(found.home)),
        ("stored", f"{format_size(found.stored.bytes)} in {format_count(found.stored.blocks, 'block')}"),
        ("pinned", format_count(found.pins, "archive")),
        ("deltas", _deltas(found)),
        *(("replicas", _describe_replicas(entry, context)) for entry in found.catalogues if entry.replicas is not None),
        *((f"at {service.name}", _describe_service(service, context)) for service in found.services),
    ]


def _describe_replicas(entry: "operations.CatalogueStatus", context: Context) -> str:
    found = entry.replicas
    if found is None or not found.checked:
        return "none yet" + (f": {found.problem}" if found is not None and found.problem else "")
    text = f"{found.pinned} of {found.least}..{found.most}, checked {age_of(found.checked, context.now)}"
    return text + (f": {found.problem}" if found.problem else "")


def _describe_service(found: "ServiceState", context: Context) -> str:
    words = [found.state or "not asked yet"]
    if found.pinned and found.pinned != found.root:
        words.append("an earlier snapshot is pinned")
    if found.checked:
        words.append(f"checked {age_of(found.checked, context.now)}")
    return ", ".join(words) + (f": {found.problem}" if found.problem else "")


def _deltas(found: "operations.Status") -> str:
    words = []
    if found.savings.deltas:
        words.append(f"{format_count(found.savings.deltas, 'delta')} saved {format_size(found.savings.saved)}")
    if found.cached_deltas:
        words.append(f"{format_size(found.cached_deltas)} kept for others")
    return ", ".join(words)


def _row(context: Context, entry: "operations.CatalogueStatus") -> tuple[str, ...]:
    row = entry.row
    expires = ""
    if row.expires:
        expires = (
            "EXPIRED"
            if entry.freshness and entry.freshness.latest_refused
            else age_of(row.expires, context.now).removeprefix("in ")
        )
    return (
        row.label,
        "own" if row.own else "subscribed",
        "" if row.sequence is None else str(row.sequence),
        age_of(row.checked, context.now) if row.checked else "",
        expires,
        str(entry.releases),
        _state(entry),
    )


def _raw_row(entry: "operations.CatalogueStatus") -> tuple[str, ...]:
    """Return a row as it is printed for programs: times and numbers as they are."""
    row = entry.row
    return (
        row.label,
        "own" if row.own else "subscribed",
        str(row.sequence or ""),
        row.checked or "",
        row.expires or "",
        str(entry.releases),
        _state(entry),
    )


def _state(entry: "operations.CatalogueStatus") -> str:
    words = []
    if entry.revoked:
        words.append("revoked by its owner")
    elif entry.row.own:
        if entry.row.sequence is None:
            words.append("not shared yet")
        elif entry.unshared:
            words.append(f"{format_count(entry.unshared, 'change')} not shared yet")
        else:
            places = list(dict.fromkeys([*entry.shared, *entry.seen]))
            words.append(f"shared ({', '.join(places)})" if places else "signed, seen nowhere else yet")
            if entry.incomplete:
                words[-1] += " without blocks that were lost: dcat verify"
    elif entry.freshness is None:
        words.append("never synced")
    elif entry.freshness.latest_refused:
        words.append("exact versions only")
    else:
        words.append(entry.freshness.age)
    if entry.unconfirmed:
        words.append("unconfirmed jump: dcat trust list")
    if entry.withheld:
        words.append("snapshot withheld: dcat trust list")
    if entry.conflicts:
        words.append(f"{format_count(entry.conflicts, 'conflict')}: dcat trust list")
    return ", ".join(words)
