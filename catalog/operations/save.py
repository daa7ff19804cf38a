"""``dcat save``: write a release's archive to a file or a stream, for machines without dcat."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from catalog.delivery import explain_absence, fetch_archive, open_archive, open_store
from catalog.errors import UnavailableError
from catalog.home.home import Home
from catalog.image.reader import iter_stored, tar_size, write_tar
from catalog.lookup.locate import Resolved, open_lookup
from catalog.model.platform import Platform
from catalog.model.reference import parse_reference
from catalog.model.release import Image
from catalog.progress import Progress, Step, silent
from catalog.sources.network import NO_NETWORK, Network
from catalog.storage.files import open_output

_REPORT_EVERY = 4 << 20


@dataclass(frozen=True, slots=True)
class Saved:
    """The image that was written, in ``size`` bytes, as ``tar.zst`` or, ``uncompressed``, as ``tar``."""

    resolved: Resolved
    platform: Platform
    image: Image
    size: int
    uncompressed: bool


def save(
    home: Home,
    reference: str,
    output: Path | BinaryIO,
    *,
    platform: Platform,
    network: Network = NO_NETWORK,
    uncompressed: bool = False,
    latest: bool = False,
    progress: Progress = silent,
) -> Saved:
    """Write the archive of the image for ``platform`` that ``reference`` means.

    A file is replaced as a whole or not at all; a stream gets verified bytes only, but is incomplete where this raises. Missing
    blocks are fetched first.
    """
    with open_lookup(home.path) as lookup:
        resolved = lookup.resolve(parse_reference(reference), now=home.now, platform=platform, latest=latest)
    image = resolved.image
    assert image is not None
    store = open_store(home, network, resolved.catalogue.catalogue)
    with home.reading(f"save {reference}"):
        try:
            view = open_archive(image, resolved.platform or platform, store)
            fetch_archive(home, view, store, progress=progress, catalogue=resolved.catalogue.catalogue)
            pieces = write_tar(view, store) if uncompressed else iter_stored(view, store)
            size = tar_size(view) if uncompressed else view.size
            progress(Step("phase", f"Writing {reference} ({resolved.platform})"))
            with open_output(output) as file:
                written = reported = 0
                for piece in pieces:
                    file.write(piece)
                    written += len(piece)
                    if written - reported >= _REPORT_EVERY or written == size:
                        reported = written
                        progress(Step("total", "written", written, size))
        except UnavailableError as error:
            raise explain_absence(error, reference, network) from error
    return Saved(resolved, resolved.platform or platform, image, written, uncompressed)
