"""Cut a layer where its files begin: the chunks are a function of the layer's bytes alone.

Source: design.md, section 2 ("Chunking"). Nothing here is ever an error.
"""

from collections.abc import Iterator


class LayerCutter:
    """Cut one layer tar as it flows by. Holds about 2 MiB at most."""

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Take the next bytes and give the chunks that are certain by now; run the iterator to its end before the next call."""
        raise NotImplementedError

    def finish(self) -> Iterator[bytes]:
        """Give the last chunks."""
        raise NotImplementedError


def cut_metadata(data: bytes) -> list[bytes]:
    """Cut the archive's own metadata: one segment."""
    raise NotImplementedError
