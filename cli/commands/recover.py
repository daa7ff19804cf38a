"""``dcat recover``: the own catalogue back in step with what its key signed elsewhere."""

from cli.command import command, command_app
from cli.context import Context
from cli.output import Document
from cli.sharing import merge_warnings, shared_body
from cli.text import format_count

app = command_app()


@app.command()
@command(long=True)
def recover(context: Context) -> Document:
    """Take in what your key signed elsewhere: after a restored backup, or in a new home.

    Asks every source for your catalogue's records, merges what is not known here, and signs above it. No release is lost.
    """
    from catalog.operations.recover import recover as take_in

    shared = take_in(context.home, context.network, progress=context.progress)
    merged = shared.merged
    lines = [f"Taken in: {format_count(len(merged.releases), 'release')}" if merged is not None else "Nothing was missing here"]
    lines.append(f"Signed here: sequence {shared.record.sequence}")
    warnings = merge_warnings(shared)[1:]
    if shared.pending:
        warnings = (*warnings, f"not shared yet: {shared.pending}")
    closing = "The bytes of images that are not here: dcat pull, or dcat verify" if merged is not None else ""
    return Document("recover", shared_body(shared), [str(shared.record.snapshot_cid)], lines, closing, warnings)
