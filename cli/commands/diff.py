"""``dcat diff``: compare two releases."""

from typing import Annotated, Any

import typer

from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.platforms import wanted_platform
from cli.text import format_count, format_size

app = command_app()

OldArgument = Annotated[str, typer.Argument(metavar="OLD", help="A release.")]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="A release.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Compare the images for this platform; default: the host's.")
]

_SIGNS = {"same": " ", "added": "+", "removed": "-"}


@app.command()
@command
def diff(context: Context, old: OldArgument, new: NewArgument, platform: PlatformOption = "") -> Document:
    """Compare two releases: layers, sizes, configuration.

    Layers and configuration are compared where their blocks are here; sizes always.
    """
    from catalog.operations.diff import diff as compare

    found = compare(context.home, old, new, platform=wanted_platform(platform))
    body: dict[str, Any] = {
        "old": found.old.reference,
        "new": found.new.reference,
        "platform": str(found.platform),
        "same": found.same,
        "size": {"old": found.old_image.size, "new": found.new_image.size},
        "unpacked": {"old": found.old_image.unpacked, "new": found.new_image.unpacked},
        "layers": None,
        "config": None,
        "blocks": None,
    }
    parts: list[str | Table] = [
        f"{found.old.reference} -> {found.new.reference}  {found.platform}",
    ]
    facts = [
        ("stored", _change(found.old_image.size, found.new_image.size)),
        ("unpacked", _change(found.old_image.unpacked, found.new_image.unpacked)),
        ("content", "the same" if found.same else ""),
    ]
    if found.blocks is not None:
        blocks = found.blocks
        body["blocks"] = {
            "common": blocks.common_blocks,
            "common_size": blocks.common_size,
            "new": blocks.new_blocks,
            "new_size": blocks.new_size,
        }
        new = f"{format_size(blocks.new_size)} new in {format_count(blocks.new_blocks, 'block')}"
        facts.append(("blocks", f"{format_size(blocks.common_size)} in common, {new}"))
    parts.append(fields(facts))
    if found.layers is not None:
        body["layers"] = [
            {
                "kind": change.kind,
                "diff_id": str(change.layer.diff_id),
                "size": change.layer.size,
                "stored": change.layer.stored_size,
            }
            for change in found.layers
        ]
        rows = [(_SIGNS[change.kind], format_size(change.layer.size), str(change.layer.diff_id)) for change in found.layers]
        raw = [(change.kind, str(change.layer.size), str(change.layer.diff_id)) for change in found.layers]
        if rows:
            parts.append(Table(("", "SIZE", "LAYER"), rows, frozenset({"SIZE"}), raw))
    if found.config is not None:
        body["config"] = [{"key": change.key, "old": change.before, "new": change.after} for change in found.config]
        if found.config:
            settings = [(change.key, change.before or "", change.after or "") for change in found.config]
            parts.append(Table(("SETTING", "OLD", "NEW"), settings))
    closing = "" if found.layers is not None else f"The layers are not here. To fetch them: dcat pull --no-load {old} {new}"
    return Document("diff", body, [], parts, closing)


def _change(old: int, new: int) -> str:
    change = new - old
    if not change:
        return format_size(new)
    return f"{format_size(old)} -> {format_size(new)} ({'+' if change > 0 else ''}{format_size(change)})"
