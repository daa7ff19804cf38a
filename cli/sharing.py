"""How a change of the own catalogue is shared, and how the result is shown."""

from __future__ import annotations  # evaluated, they would import the library's rooms that they name

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import catalog
from cli.context import Context
from cli.quantities import format_count, format_size

if TYPE_CHECKING:
    from catalog.errors import DcatError
    from catalog.own.deltas import MadeDelta
    from catalog.own.nodes import ReplicaState
    from catalog.own.pinning import ServiceState

PUBLIC = (
    "With a Kubo node, what you publish becomes public: the name, version, annotations, sizes and digests of every release, and "
    "the images' bytes for everybody who has a CID. What others have fetched cannot be taken back."
)
_NAMED = 10
_NEXT = "dcat serve --public, or: dcat config set kubo http://127.0.0.1:5001"


@dataclass(frozen=True, slots=True)
class ShareSummary:
    """The parts that a share adds to a command's document; ``lines`` are fields."""

    body: dict[str, Any] = field(default_factory=dict)
    closing: str = ""
    warnings: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


def sharing_of(context: Context, *, offline: bool = False, deltas: bool = True) -> catalog.Sharing:
    """Return how a command shares its change: as configured, asking before a Kubo node is used for the first time.

    ``offline`` signs it, and leaves sharing to the next sync.
    """
    return catalog.Sharing(
        catalog.NO_NETWORK if offline else context.network,
        consent=lambda _url: ask_for_consent(context),
        deltas=deltas and context.settings.deltas,
    )


def ask_for_consent(context: Context) -> bool:
    """Show what becomes public through a Kubo node, and ask whether that is wanted (docs/safety.md, A16)."""
    context.note(PUBLIC)
    return context.confirm("Share through this node?")


def summarise(shared: catalog.Shared | None, error: DcatError | None, *, offline: bool = False) -> ShareSummary:
    """Return the summary of a share; an error is a warning, since the change itself is kept and the next sync shares it."""
    if error is not None:
        why = f": {error.why}" if error.why else ""
        return ShareSummary({"shared": None}, "Not shared yet. Next: dcat sync", (f"not shared yet: {error.message}{why}",))
    if shared is None:
        return ShareSummary({"shared": None})
    warnings = (*clock_warnings(shared), *merge_warnings(shared), *lost_warnings(shared), *service_warnings(shared))
    closing = "Not shared yet. Next: dcat sync"
    if shared.pending:
        warnings = (*warnings, f"not shared yet: {shared.pending}")
    elif shared.targets:
        closing = f"Shared ({', '.join(shared.targets)}). To follow it: dcat subscribe ALIAS {shared.record.name}"
    elif not offline:
        closing = f"Not shared yet. Next: {_NEXT}"
    return ShareSummary({"shared": shared_body(shared)}, closing, warnings, (*delta_lines(shared), *service_lines(shared)))


def shared_body(shared: catalog.Shared) -> dict[str, Any]:
    """Return the JSON of the own catalogue's state."""
    record = shared.record
    return {
        "catalogue": str(record.name),
        "snapshot": str(record.snapshot_cid),
        "sequence": record.sequence,
        "expires": f"{record.expires:%Y-%m-%dT%H:%M:%SZ}",
        "signed": shared.signed,
        "targets": list(shared.targets),
        "pending": shared.pending or None,
        "replicas": None if shared.replicas is None else replicas_body(shared.replicas),
        "services": [service_body(service) for service in shared.services],
        "lost": [{"release": lost.reference, "blocks": lost.blocks} for lost in shared.lost],
        "merged": None if shared.merged is None else shared.merged.releases,
        "deltas": [
            {
                "release": made.reference,
                "platform": str(made.platform),
                "base": made.base,
                "cid": str(made.delta.cid),
                "bytes": made.delta.size,
                "blocks_bytes": made.new_bytes,
            }
            for made in shared.deltas
        ],
    }


def replicas_body(found: ReplicaState) -> dict[str, Any]:
    """Return the JSON of the replicas in a cluster."""
    return {
        "pinned": found.pinned,
        "least": found.least,
        "most": found.most,
        "checked": found.checked or None,
        "problem": found.problem or None,
    }


def service_body(found: ServiceState) -> dict[str, Any]:
    """Return the JSON of what a pinning service has."""
    return {
        "name": found.name,
        "snapshot": found.root or None,
        "state": found.state or None,
        "pinned": found.pinned or None,
        "checked": found.checked or None,
        "problem": found.problem or None,
    }


def service_lines(shared: catalog.Shared) -> tuple[tuple[str, str], ...]:
    """Return a field for each pinning service that has, or will have, the catalogue."""
    return tuple((f"at {found.name}", found.state) for found in shared.services if found.state and not found.problem)


def service_warnings(shared: catalog.Shared) -> tuple[str, ...]:
    """Return what went wrong at pinning services: the catalogue is shared nevertheless."""
    return tuple(
        f"pinning service {found.name}: {found.problem or found.state}; the next sync asks it again"
        for found in shared.services
        if found.problem or found.state == "failed"
    )


def delta_lines(shared: catalog.Shared) -> tuple[tuple[str, str], ...]:
    """Return a field for each delta that was made."""
    return tuple(("delta", _describe_made(made)) for made in shared.deltas)


def _describe_made(made: MadeDelta) -> str:
    sizes = f"{format_size(made.delta.size)} for {format_size(made.new_bytes)} of blocks"
    return f"{made.reference} ({made.platform}) from {made.base}: {sizes}"


def lost_warnings(shared: catalog.Shared) -> tuple[str, ...]:
    """Return a warning for each release, up to a limit, that cannot be fetched whole from the Kubo node."""
    found = [
        f"the Kubo node lacks {format_count(lost.blocks, 'block')} of {lost.reference}, and they are not here either; the rest is "
        "shared. To repair it: dcat verify --repair, or dcat verify --from FILE"
        for lost in shared.lost[:_NAMED]
    ]
    if len(shared.lost) > _NAMED:
        found.append(f"so it is with {format_count(len(shared.lost) - _NAMED, 'more release')}: dcat verify lists them")
    return tuple(found)


def clock_warnings(shared: catalog.Shared) -> tuple[str, ...]:
    """Return that the clock looks wrong where a record was signed that ends before the one that it replaces."""
    if shared.outlived is None:
        return ()
    ends = f"{shared.record.expires:%Y-%m-%d %H:%M} UTC, the one before it {shared.outlived:%Y-%m-%d %H:%M} UTC"
    return (
        f"this machine's clock looks wrong, or did before: the new record ends {ends}. If it is wrong now, set it, then: dcat sync",
    )


def merge_warnings(shared: catalog.Shared) -> tuple[str, ...]:
    """Return what another home of the same key brought, and what it replaced."""
    if shared.merged is None:
        return ()
    taken = format_count(len(shared.merged.releases), "release")
    found = [f"another home of this key had shared sequence {shared.merged.sequence}; {taken} of it were merged"]
    for reference, platform, config in shared.merged.lost:
        found.append(f"{reference} for {platform} was {config} here; the content that the other home shared stays")
    return tuple(found)
