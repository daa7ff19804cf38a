"""The images that ``--from``, ``--image`` and ``--copy`` name."""

from __future__ import annotations  # evaluated, they would import the library's rooms that they name

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import catalog
from catalog.errors import BlockNotFoundError, EngineUnavailableError, NotFoundError
from catalog.limits import DEFAULT_MAX_IMAGE_SIZE
from catalog.lookup.locate import open_lookup
from catalog.model.platform import read_platform_text
from catalog.model.reference import parse_reference
from catalog.model.text import quote
from cli.context import Context
from cli.failures import OptionValueError, UsageError
from cli.platforms import this_host
from cli.quantities import parse_size
from cli.streams import binary_input
from cli.text import has_secret

_FILE_TRANSPORTS = {"docker-archive", "oci-archive", "oci", "file"}
_ENGINE_TRANSPORTS = {"docker", "docker-daemon", "containers-storage"}

if TYPE_CHECKING:
    from catalog.intake.intake import ImageSource


def read_wanted(platforms: Sequence[str], *, reference: str = "", max_size: str = "") -> catalog.Wanted:
    """Return which images ``--platform`` (repeatable, or ``all``) and ``--max-size`` ask for."""
    platforms = [part for text in platforms for part in text.split(",")]  # as docker buildx and podman take them
    every = "all" in platforms
    if every and len(platforms) > 1:
        raise UsageError("--platform all and another --platform exclude each other")
    return catalog.Wanted(
        host=this_host(),
        platforms=() if every else tuple(dict.fromkeys(read_platform_text(text) for text in platforms)),
        all_platforms=every,
        reference=reference or None,
        max_size=parse_size("--max-size", max_size) if max_size else DEFAULT_MAX_IMAGE_SIZE,
    )


def release_source(context: Context, reference: str) -> ImageSource:
    """Return the images of a release that is known here, own or followed."""
    from catalog.delivery import open_store
    from catalog.intake.release import ReleaseSource

    with open_lookup(context.surroundings.home) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=context.now)
    catalogue = resolved.catalogue.catalogue
    return ReleaseSource(context.home, reference, resolved.release, open_store(context.home, context.network, catalogue), catalogue)


def file_source(context: Context, origin: str) -> ImageSource:
    """Return the images of an exported tar, an OCI layout folder, standard input (``-``), or of IPFS (``ipfs://CID[/PATH]``)."""
    if origin.startswith("ipfs://"):
        from catalog.delivery import explain_absence, open_store
        from catalog.intake.release import added_source

        root, *inside = origin.removeprefix("ipfs://").rstrip("/").split("/")
        cid = parse_reference(f"ipfs://{root}").cid
        assert cid is not None  # parse_reference refuses anything else behind ipfs://
        try:
            # It is of no catalogue: sources that were named for one are asked last.
            return added_source(cid, inside, open_store(context.home, context.network, context.home.own_catalogue() or ""))
        except BlockNotFoundError as error:
            raise explain_absence(error, origin, context.network) from error
    if origin == "-":
        stdin = binary_input("docker save IMAGE | dcat publish NAME VERSION --from -")
        return catalog.StreamSource("standard input", lambda: nullcontext(stdin))
    path = Path(origin)
    if path.is_dir():
        return catalog.FolderSource(path)
    if not path.exists():
        _refuse_other_spelling(origin)
        raise NotFoundError(f"--from: file not found: {origin}")
    if not path.is_file() and not path.is_fifo() and not path.is_char_device():
        raise UsageError(f"--from: {origin} is not a file, a folder or a pipe")

    def open_file() -> AbstractContextManager[BinaryIO]:
        return path.open("rb")

    size = path.stat().st_size if path.is_file() else None  # a pipe, such as <(docker save IMAGE), has none
    return catalog.StreamSource(origin, open_file, size)


def _refuse_other_spelling(origin: str) -> None:
    """Raise an error whose hint runs for a URL, and for a source in the form that skopeo and buildah use."""
    transport, _, rest = origin.partition(":")
    if transport in {"http", "https"} and not has_secret(origin):
        raise OptionValueError(
            f"--from: {origin} is a URL",
            why="dcat downloads nothing that it cannot verify by a CID or digest; curl can",
            option="--from",
            instead=["--from", "-"],
            before=f"curl -fsSL {quote(origin)} | ",
        )
    message = f'--from: "{origin}" is not a file'
    if transport in _FILE_TRANSPORTS:
        path = rest
        while ":" in path and not Path(path).exists():
            path = path.rpartition(":")[0]  # docker-archive:PATH:NAME:TAG
        if path and Path(path).exists():
            why = f"dcat recognises the kind of an export by itself, without {transport}:"
            raise OptionValueError(message, why=why, option="--from", instead=["--from", path])
    elif transport in _ENGINE_TRANSPORTS:
        pull = ["--pull"] if transport == "docker" else []
        why = "images of an engine or a registry are named by --image"
        raise OptionValueError(message, why=why, option="--from", instead=["--image", rest.removeprefix("//"), *pull])


def engine_source(context: Context, reference: str, wanted: catalog.Wanted, *, pull: bool = False) -> catalog.EngineSource:
    """Return an image of the engine, which pulls it first if ``pull`` is set."""
    try:
        engine = context.engine
    except EngineUnavailableError as error:
        error.hint += "; without an engine, publish an exported image: --from FILE"
        raise
    if pull:
        for platform in wanted.platforms or (None,):
            engine.pull(reference, platform, context.progress)
    return catalog.EngineSource(engine, reference)
