"""``dcat gc``: show or free what is not needed."""

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.quantities import format_count, format_size

app = command_app()

_REASONS = {
    "own": "your releases",
    "pinned": "pinned",
    "pulled": "pulled",
    "mirrored": "mirrored",
    "fetched": "fetched by serve --fetch",
    "metadata": "metadata of other platforms",
    "snapshot": "snapshots of catalogues",
}


@app.command()
@command(long=True)
def gc(context: Context) -> Document:
    """Show what can be freed; with --yes, free it.

    Kept are the images of your own releases, what was pulled, pinned, mirrored, or fetched by serve --fetch, and what a running
    command uses. Shared blocks are counted once.
    """
    done = operations.collect_garbage(context.home, delete=context.options.yes, progress=context.progress)
    body = {
        "kept": [{"reason": kept.reason, "roots": kept.roots, "blocks": kept.blocks, "bytes": kept.bytes} for kept in done.kept],
        "garbage": {"blocks": done.blocks, "bytes": done.bytes},
        "cached_deltas": done.cached,
        "deleted": done.deleted,
        "file_before": done.file_before,
        "file_after": done.file_after,
    }
    rows = [
        (_REASONS.get(kept.reason, kept.reason), str(kept.roots), str(kept.blocks), format_size(kept.bytes)) for kept in done.kept
    ]
    raw = [(kept.reason, str(kept.roots), str(kept.blocks), str(kept.bytes)) for kept in done.kept]
    parts: list[str | Table] = (
        [Table(("KEPT", "ROOTS", "BLOCKS", "SIZE"), rows, frozenset({"ROOTS", "BLOCKS", "SIZE"}), raw)] if rows else []
    )
    garbage = f"{format_size(done.bytes)} in {format_count(done.blocks, 'block')}"
    if done.cached:
        garbage += f", {format_size(done.cached)} of deltas made for others"
    if done.deleted:
        shrunk = f"{format_size(done.file_before)} -> {format_size(done.file_after)}"
        parts.append(fields([("freed", garbage), ("file", shrunk)]))
        return Document("gc", body, [], parts)
    parts.append(fields([("to free", garbage)]))
    return Document("gc", body, [], parts, "To free it: dcat gc --yes" if done.blocks or done.cached else "Nothing to free.")
