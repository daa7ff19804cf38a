"""What every command that changed the own catalogue ends with: sign it, share it, and say where it stands."""

from dataclasses import dataclass, field, replace
from typing import Any

from catalog.errors import DcatError
from cli.context import Context
from cli.text import format_count, format_size

PUBLIC = (
    "With a Kubo node, what you publish becomes public: the name, version, annotations, sizes and digests of every release, and "
    "the images' bytes for everybody who has a CID. What others have fetched cannot be taken back."
)
_NEXT = "dcat serve --public, or: dcat config set kubo http://127.0.0.1:5001"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What to add to a command's document; ``lines`` are fields."""

    body: dict[str, Any] = field(default_factory=dict)
    closing: str = ""
    warnings: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


def share_changes(context: Context, *, offline: bool = False, deltas: bool = True) -> Sharing:
    """Sign what the command changed, and share it where that is configured; ``offline`` leaves the second for later.

    New releases get a delta each, unless ``deltas`` or the setting is off.

    The change itself is done and stays: what goes wrong here is a warning, and the next sync tries again.
    """
    from catalog.limits import OWN_RECORD_PATIENCE
    from catalog.own.share import share_own
    from catalog.sources.network import NO_NETWORK

    network = NO_NETWORK if offline else context.network
    if network.kubo is not None and not network.kubo_public and confirm_kubo(context, network.kubo.url):
        network = replace(network, kubo_public=True)
    try:
        shared = share_own(
            context.home,
            network,
            deltas=deltas and context.settings.deltas,
            patience=OWN_RECORD_PATIENCE,
            progress=context.progress,
        )
    except DcatError as error:
        why = f": {error.why}" if error.why else ""
        return Sharing({"shared": None}, "Not shared yet. Next: dcat sync", (f"not shared yet: {error.message}{why}",))
    if shared is None:
        return Sharing({"shared": None})
    warnings = merge_warnings(shared)
    body = {"shared": shared_body(shared)}
    closing = "Not shared yet. Next: dcat sync"
    if shared.pending:
        warnings = (*warnings, f"not shared yet: {shared.pending}")
    elif shared.targets:
        closing = f"Shared ({', '.join(shared.targets)}). To follow it: dcat subscribe ALIAS {shared.record.name}"
    elif not offline:
        closing = f"Not shared yet. Next: {_NEXT}"
    return Sharing(body, closing, warnings, delta_lines(shared))


def shared_body(shared: Any) -> dict[str, Any]:
    """Write how the own catalogue stands for ``--json``."""
    record = shared.record
    return {
        "catalogue": str(record.name),
        "snapshot": str(record.snapshot_cid),
        "sequence": record.sequence,
        "expires": f"{record.expires:%Y-%m-%dT%H:%M:%SZ}",
        "signed": shared.signed,
        "targets": list(shared.targets),
        "pending": shared.pending or None,
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


def delta_lines(shared: Any) -> tuple[tuple[str, str], ...]:
    """Say which deltas were made, each as a field."""
    return tuple(("delta", _describe_made(made)) for made in shared.deltas)


def _describe_made(made: Any) -> str:
    sizes = f"{format_size(made.delta.size)} for {format_size(made.new_bytes)} of blocks"
    return f"{made.reference} ({made.platform}) from {made.base}: {sizes}"


def merge_warnings(shared: Any) -> tuple[str, ...]:
    """Say what another home of the same key brought, and what gave way to it."""
    if shared.merged is None:
        return ()
    taken = format_count(len(shared.merged.releases), "release")
    found = [f"another home of this key had shared sequence {shared.merged.sequence}; {taken} of it were taken in"]
    for reference, platform, config in shared.merged.lost:
        found.append(f"{reference} for {platform} was {config} here; what the other home had shared stands")
    return tuple(found)


def confirm_kubo(context: Context, url: str) -> bool:
    """Say once for each node what becomes public, and ask (safety.md A16); the home remembers the yes."""
    from catalog.trust.store import confirm_target, is_confirmed

    with context.home.trust.read() as connection:
        if is_confirmed(connection, url):
            return True
    context.note(PUBLIC)
    if not context.confirm("Share through this node?"):
        return False
    with context.home.trust.write() as connection:
        confirm_target(connection, url, context.home.time)
    return True
