"""How updates of followed catalogues are shown, the same by sync, subscribe and import."""

from typing import TYPE_CHECKING, Any

from catalog.model.release import format_time
from cli.context import Context
from cli.quantities import format_count, format_size, format_span

if TYPE_CHECKING:
    from catalog.errors import DcatError
    from catalog.followed.updating import Update

_LISTED = 20


def update_body(update: "Update") -> dict[str, Any]:
    """Return the JSON of an update."""
    record, changes = update.record, update.changes
    return {
        "catalogue": update.catalogue,
        "alias": update.alias,
        "state": update.state,
        "sequence": None if record is None else record.sequence,
        "expires": None if record is None else format_time(record.expires),
        "releases": update.releases,
        "fetched": update.fetched,
        "counts": {} if changes is None else dict(changes.counts),
        "changes": [] if changes is None else [change_body(change) for change in changes.entries],
        "conflicts": [
            {
                "reference": f"{update.alias}/{conflict.name}@{conflict.version}",
                "platform": str(conflict.platform),
                "old": str(conflict.old),
                "new": str(conflict.new),
            }
            for conflict in update.conflicts
        ],
        "successor": None if update.successor is None else str(update.successor),
        "warnings": update_warnings(update),
        "error": None if update.error is None else error_body(update.error),
    }


def change_body(change: Any) -> dict[str, Any]:
    """Return the JSON of a change."""
    return {"kind": change.kind, "name": change.name, "version": change.version, "platform": change.platform or None}


def error_body(error: "DcatError") -> dict[str, Any]:
    """Return the JSON of an error that is one of several results."""
    return {"code": error.code, "message": error.message, "why": error.why}


def update_warnings(update: "Update") -> list[str]:
    """Return what a reader must know about an update, whatever its result."""
    found = [f"{update.alias}: {warning}" for warning in update.warnings]
    found += [f"{update.alias}: {error.message}" for error in update.equivocations]
    for conflict in update.conflicts[:_LISTED]:
        reference = f"{update.alias}/{conflict.name}@{conflict.version}"
        found.append(f"{reference} changed its content for {conflict.platform}; the old one stays. To decide: dcat trust list")
    if len(update.conflicts) > _LISTED:
        found.append(f"{update.alias}: {len(update.conflicts) - _LISTED} more releases changed their content: dcat trust list")
    if update.state == "withheld" and update.record is not None:
        found.append(
            f"{update.alias}: its snapshot of sequence {update.record.sequence} changes the contents of so many releases that it"
            " was not taken; what is here stays. To decide: dcat trust list"
        )
    if update.state == "suspicious" and update.record is not None:
        found.append(
            f"{update.alias}: its sequence jumped to {update.record.sequence}. To accept it, if its owner confirms that: dcat trust"
            f" list; else: dcat trust refuse {update.alias}"
        )
    if update.state == "revoked":
        text = f"{update.alias}: its owner revoked this catalogue; what is here stays, nothing new is taken"
        if update.successor is not None:
            text += (
                f". It names {update.successor} as its successor; if its owner confirms it:"
                f" dcat trust accept {update.alias}={update.successor}"
            )
        found.append(text)
    return found


def update_lines(context: Context, update: "Update") -> list[str]:
    """Return the lines about one catalogue: its state, then its changes."""
    if update.error is not None:
        return [f"{update.alias}: {update.error.message}"]
    record = update.record
    life = f"sequence {record.sequence}, expires in {format_span(record.expires - context.now)}" if record is not None else ""
    if update.changes is None:
        words = {
            "unchanged": "nothing new",
            "revoked": "revoked by its owner",
            "suspicious": "unconfirmed",
            "withheld": "not taken",
        }
        return [f"{update.alias}: {words.get(update.state, update.state)} ({life})"]
    head = f"{update.alias}: {format_count(update.releases, 'release')}, {format_size(update.fetched)} fetched ({life})"
    if update.state == "new":
        return [head]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(update.changes.counts.items()))
    lines = [f"{head}: {kinds or 'no release changed'}"]
    for change in update.changes.entries[:_LISTED]:
        platform = f" ({change.platform})" if change.platform else ""
        lines.append(f"  {change.kind:10} {update.alias}/{change.name}@{change.version}{platform}")
    if update.changes.total > _LISTED:
        lines.append(f"  and {update.changes.total - _LISTED} more: dcat log")
    return lines
