"""``dcat diff``: compare two releases."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog import operations
from catalog.documents.differences import describe_blocks, describe_files, describe_layer, describe_packages, describe_setting
from catalog.documents.encoding import to_json
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.platforms import wanted_platform
from cli.quantities import format_count, format_size

if TYPE_CHECKING:
    from catalog.rootfs.difference import FilesDifference

app = command_app()

OldArgument = Annotated[str, typer.Argument(metavar="OLD", help="A release.")]
NewArgument = Annotated[str, typer.Argument(metavar="NEW", help="A release.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Compare the images for this platform; default: the host's.")
]
FilesOption = Annotated[bool, typer.Option("--files", help="Compare files and packages too; fetches what is not here of them.")]

_SIGNS = {"same": " ", "added": "+", "removed": "-"}
_FILE_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@app.command()
@command
def diff(
    context: Context, old: OldArgument, new: NewArgument, platform: PlatformOption = "", files: FilesOption = False
) -> Document:
    """Compare two releases: layers, sizes, configuration, files.

    Layers and configuration are compared where their blocks are here; sizes always.
    """
    found = operations.diff(context.home, old, new, platform=wanted_platform(platform))
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
        body["blocks"] = to_json(describe_blocks(blocks))
        fresh = f"{format_size(blocks.new_size)} new in {format_count(blocks.new_blocks, 'block')}"
        facts.append(("blocks", f"{format_size(blocks.common_size)} in common, {fresh}"))
    parts.append(fields(facts))
    if found.layers is not None:
        body["layers"] = to_json([describe_layer(change) for change in found.layers])
        rows = [(_SIGNS[change.kind], format_size(change.layer.size), str(change.layer.diff_id)) for change in found.layers]
        raw = [(change.kind, str(change.layer.size), str(change.layer.diff_id)) for change in found.layers]
        if rows:
            parts.append(Table(("", "SIZE", "LAYER"), rows, frozenset({"SIZE"}), raw))
    if found.config is not None:
        body["config"] = to_json([describe_setting(change) for change in found.config])
        if found.config:
            settings = [(change.key, change.before or "", change.after or "") for change in found.config]
            parts.append(Table(("SETTING", "OLD", "NEW"), settings))
    if files:
        changed = operations.diff_files(
            context.home, old, new, platform=wanted_platform(platform), network=context.network, progress=context.progress
        )
        body |= {"packages": to_json(describe_packages(changed)), "files": to_json(describe_files(changed))}
        parts += _files_parts(changed)
        return Document("diff", body, [f"/{change.path}" for change in changed.files], parts)
    asked = f" --platform {platform}" if platform else ""
    closing = "" if found.layers is not None else f"The layers are not here. To fetch them: dcat pull --no-load {old} {new}{asked}"
    return Document("diff", body, [], parts, closing)


def _files_parts(changed: "FilesDifference") -> list[str | Table]:
    parts: list[str | Table] = []
    if changed.packages:
        packages = [
            (_FILE_SIGNS[package.change], package.system, package.name, package.old_version or "", package.new_version or "")
            for package in changed.packages
        ]
        parts.append(Table(("", "SYSTEM", "PACKAGE", "OLD", "NEW"), packages))
    counts = [
        format_count(sum(1 for file in changed.files if file.change == change), f"file {change}", f"files {change}")
        for change in ("added", "removed", "changed")
    ]
    parts.append(", ".join(counts))
    if changed.files:
        rows, raw = [], []
        for file in changed.files:
            package = "" if file.package is None else changed.packages[file.package].name
            rest = (f"/{file.path}", ", ".join(file.what), package)
            sign = _FILE_SIGNS[file.change]
            growth = f"{'+' if file.growth > 0 else ''}{format_size(file.growth)}"
            rows.append((sign, format_size(file.new_size if file.new_size is not None else file.old_size or 0), growth, *rest))
            raw.append((file.change, str(file.new_size if file.new_size is not None else file.old_size), str(file.growth), *rest))
        parts.append(Table(("", "SIZE", "GROWTH", "FILE", "WHAT", "PACKAGE"), rows, frozenset({"SIZE", "GROWTH"}), raw))
    return parts


def _change(old: int, new: int) -> str:
    change = new - old
    if not change:
        return format_size(new)
    return f"{format_size(old)} -> {format_size(new)} ({'+' if change > 0 else ''}{format_size(change)})"
