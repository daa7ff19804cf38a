"""``dcat show``: show one release."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog import operations
from catalog.documents.encoding import to_json
from catalog.documents.releases import describe_layer
from catalog.model.digest import Digest
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.platforms import read_platform
from cli.quantities import age_of, format_count, format_size
from cli.releases import image_fields, release_body, state_of

if TYPE_CHECKING:
    from catalog.image.provenance import Provenance

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help="A release; see dcat help references.")]
PlatformOption = Annotated[str, typer.Option("--platform", metavar="OS/ARCH", help="Show only the image for this platform.")]


@app.command()
@command
def show(context: Context, reference: ReferenceArgument, platform: PlatformOption = "") -> Document:
    """Show one release: images, digests, layers, annotations.

    Layers are listed where the first blocks of the archive are here.
    """
    shown = operations.show(context.home, reference, platform=read_platform(platform))
    entry = shown.entry
    body = release_body(
        entry.release, reference=entry.reference, catalogue=entry.catalogue.catalogue, alias=entry.catalogue.alias or ""
    )
    images: dict[str, Any] = {}
    for image in shown.images:
        images[str(image.platform)] = body["images"][str(image.platform)] | {
            "pinned": image.pinned,
            "layer_list": _layer_body(image),
            "provenance": [_provenance_body(provenance) for provenance in image.provenances],
        }
    body["images"] = images
    identifiers = [str(image.image.archive) for image in shown.images]
    asked = f" --platform {platform}" if platform else ""
    closing = f"To load it: dcat pull {entry.reference}{asked}" if images else ""
    body["first_seen"] = shown.first_seen
    body["notices"] = [{"kind": notice.kind, "text": notice.text} for notice in shown.notices]
    warnings = [notice.text for notice in shown.notices if notice.warns]
    return Document("release", body, identifiers, _parts(context, shown, asked), closing, warnings)


def _parts(context: Context, shown: "operations.ShownRelease", asked: str) -> list[str | Table]:
    release, row = shown.entry.release, shown.entry.catalogue
    head = [
        ("catalogue", f"{row.label} {row.catalogue}" if row.label != row.catalogue else row.catalogue),
        ("published", f"{release.published} ({age_of(release.published, context.now)})"),
        ("state", state_of(release)),
        *((f"annotation {key}", value) for key, value in sorted(release.annotations.items())),
    ]
    parts: list[str | Table] = [shown.entry.reference, fields(head)]
    for image in shown.images:
        pairs = [*image_fields(image.platform, image.image), *_provenance_fields(image), ("here", "pinned" if image.pinned else "")]
        pairs += [("delta", f"{delta.cid} from {base}, {format_size(delta.size)}") for base, delta in image.image.deltas.items()]
        parts.append(fields(pairs))
        if image.layers is None:
            parts.append(f"  layers     not here; to fetch them: dcat pull --no-load {shown.entry.reference}{asked}")
        elif image.layers:
            rows = [
                (str(number), format_size(layer.size), format_size(layer.stored_size), str(layer.diff_id), str(layer.cid))
                for number, layer in enumerate(image.layers, 1)
            ]
            raw = [
                (str(number), str(layer.size), str(layer.stored_size), str(layer.diff_id), str(layer.cid))
                for number, layer in enumerate(image.layers, 1)
            ]
            parts.append(Table(("LAYER", "SIZE", "STORED", "DIFFID", "CID"), rows, frozenset({"LAYER", "SIZE", "STORED"}), raw))
    return parts


def _provenance_fields(image: "operations.ShownImage") -> list[tuple[str, str]]:
    """Return under which manifests an image was pushed: a registry's, where it is known from one under that digest."""
    found = []
    for provenance in image.provenances:
        digest = str(provenance.manifest_digest)
        whose = "registry manifest" if any(name.endswith(f"@{digest}") for name in image.image.registry) else "manifest"
        attested = f", {format_count(len(provenance.attestations), 'attestation')}" if provenance.attestations else ""
        found.append(("pushed as", f"{whose} {digest}, byte for byte{attested}"))
    return found


def _provenance_body(provenance: "Provenance") -> dict[str, Any]:
    return {
        "cid": str(provenance.cid),
        "manifest": str(provenance.manifest_digest),
        "indexes": [str(Digest.of(data)) for data in provenance.indexes],
        "attestations": [str(Digest.of(data)) for data in provenance.attestations],
    }


def _layer_body(image: "operations.ShownImage") -> list[dict[str, Any]] | None:
    if image.layers is None:
        return None
    layers: list[dict[str, Any]] = to_json([describe_layer(layer) for layer in image.layers])
    return layers
