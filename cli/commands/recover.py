"""``dcat recover``: merge what the key of the own catalogue signed elsewhere."""

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.quantities import format_count
from cli.sharing import lost_warnings, merge_warnings, shared_body

app = command_app()


@app.command()
@command(long=True)
def recover(context: Context) -> Document:
    """Merge what your key signed elsewhere, after a restored backup or in a new home.

    Asks every source for records of your catalogue, merges what is not known here, and signs a newer record. No release is lost.
    """
    shared = operations.recover(context.home, context.network, progress=context.progress)
    merged = shared.merged
    lines = [f"Merged {format_count(len(merged.releases), 'release')}" if merged is not None else "Nothing was missing here"]
    lines.append(f"Signed sequence {shared.record.sequence}")
    warnings = (*merge_warnings(shared)[1:], *lost_warnings(shared))
    if shared.pending:
        warnings = (*warnings, f"not shared yet: {shared.pending}")
    closing = "To see which images are not here: dcat verify" if merged is not None else ""
    return Document("recover", shared_body(shared), [str(shared.record.snapshot_cid)], lines, closing, warnings)
