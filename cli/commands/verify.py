"""``dcat verify``: check all stored bytes, and repair damage."""

from typing import TYPE_CHECKING, Annotated

import typer

from catalog import operations
from catalog.errors import VerificationError
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table, fields
from cli.quantities import format_count, format_size
from cli.sources import engine_source, file_source, read_wanted

if TYPE_CHECKING:
    from catalog.operations.verify import Damage

app = command_app()

ReferenceArgument = Annotated[str, typer.Argument(metavar="[REF]", help="Check only the blocks of this release.")]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Fetch missing or damaged blocks from the sources; rebuild a damaged index or tree.")
]
ImageOption = Annotated[str, typer.Option("--image", metavar="REF|ID", help="Repair from an image of the engine.")]
FromOption = Annotated[str, typer.Option("--from", metavar="FILE|DIR|-", help="Repair from an exported tar or an OCI layout.")]


@app.command()
@command(long=True)
def verify(
    context: Context,
    reference: ReferenceArgument = "",
    repair: RepairOption = False,
    image: ImageOption = "",
    from_: FromOption = "",
) -> Document | None:
    """Check all stored bytes against their hashes.

    Every block is compared with its CID; every archive and snapshot that is kept here, and every file of the home, must be
    complete, and the tree of your catalogue must be the one that its releases give. Damage is exit code 20.
    """
    wanted = read_wanted(["all"])
    source = file_source(context, from_) if from_ else engine_source(context, image, wanted) if image else None
    done = operations.verify(
        context.home,
        reference or None,
        network=context.network,
        repair_from=source,
        wanted=wanted if source is not None else None,
        repair=repair,
        progress=context.progress,
    )
    problem = _problem_of(done, repaired=repair or source is not None)
    parts: list[str | Table] = [fields(_pairs(done))]
    if damage := _damage(done):
        rows = [(entry.label, str(entry.blocks), str(entry.archive)) for entry in damage]
        parts.append(Table(("DAMAGED", "BLOCKS", "CID"), rows, frozenset({"BLOCKS"})))
    closing = _conclude(done) if problem is None else ""
    document = Document("verify", _body(done), [str(entry.archive) for entry in damage], parts, closing)
    if problem is None:
        return document
    context.show(document)
    raise problem


def _damage(done: "operations.Verified") -> "list[Damage]":
    return [entry for entry in done.damage if not entry.held_in_part]


def _partial(done: "operations.Verified") -> "list[Damage]":
    """Return the archives of which an engine had the other layers: they are no damage."""
    return [entry for entry in done.damage if entry.held_in_part]


def _problem_of(done: "operations.Verified", *, repaired: bool) -> VerificationError | None:
    """Return what is wrong with the home; None where nothing is, or all of it was ``repaired``."""
    damage = _damage(done)
    if damage or (done.rotten and done.repaired < done.rotten and not repaired):
        return VerificationError(
            f"{format_count(len(damage), 'archive')} of {done.archives} damaged, {format_count(done.rotten, 'block')} rotten",
            why="no source had the blocks" if repaired else "stored bytes do not match their CIDs, or are missing",
            hint="dcat verify --from FILE  (or --image REF), with the image itself" if repaired else "dcat verify --repair",
        )
    if done.uncanonical is not None:
        return VerificationError(
            f"the tree of your releases under {done.uncanonical} is not the one that they give",
            why="it could not be signed anew" if repaired else "an older version of dcat or another program wrote it",
            hint="" if repaired else "dcat verify --repair",
        )
    return None


def _body(done: "operations.Verified") -> dict[str, object]:
    return {
        "blocks": done.blocks,
        "bytes": done.bytes,
        "archives": done.archives,
        "rotten": done.rotten,
        "repaired": done.repaired,
        "moved": done.moved,
        "unasked": done.unasked,
        "kept": done.kept,
        "files": list(done.files),
        "uncanonical": str(done.uncanonical) if done.uncanonical is not None else None,
        "renewed": done.renewed,
        "damage": [
            {"label": entry.label, "archive": str(entry.archive), "kept_as": entry.reason, "blocks": entry.blocks}
            for entry in _damage(done)
        ],
        "held_in_part": [{"label": entry.label, "archive": str(entry.archive), "blocks": entry.blocks} for entry in _partial(done)],
    }


def _pairs(done: "operations.Verified") -> list[tuple[str, str]]:
    partial = _partial(done)
    return [
        ("read", f"{format_size(done.bytes)} in {format_count(done.blocks, 'block')}"),
        ("archives and deltas", f"{done.archives}, {len(_damage(done))} of them damaged"),
        ("rotten", format_count(done.rotten, "block") if done.rotten else ""),
        ("in the node", _describe_moved(done) if done.moved else ""),
        ("repaired", format_count(done.repaired, "block") if done.repaired else ""),
        ("rebuilt", ", ".join([*done.files, *(["the tree of your releases"] if done.renewed else [])])),
        ("other tree", f"{done.uncanonical}: your releases give another one" if done.uncanonical is not None else ""),
        ("in part", f"{format_count(len(partial), 'archive')}; the engine had the other layers" if partial else ""),
    ]


def _describe_moved(done: "operations.Verified") -> str:
    state = f"not checked ({done.unasked})" if done.unasked else "it has them all"
    if not done.kept:
        state += ", but your catalogue is not pinned there as it should be: dcat sync"
    return f"{format_count(done.moved, 'block')}: {state}"


def _conclude(done: "operations.Verified") -> str:
    return "Everything matches." if not done.unasked else "Everything that is here matches."
