"""The decompressor of gzip: zlib-ng's where there is a wheel of `zlib-ng` for the machine, else zlib's.

zlib-ng decodes as zlib does, with quicker loops and checksums (0.55 of the time for layers): it accepts and refuses the same
streams with the same bytes and the same errors, which tests/image/test_gzip.py compares. ISA-L, which makes gzip elsewhere, is
quicker still (0.45), and unfit for reading: it accepts incomplete code tables, which zlib refuses, and refuses valid streams with
optional header fields.
"""

try:
    from zlib_ng import zlib_ng as inflate
except ImportError:
    import zlib as inflate  # type: ignore[no-redef]

GzipError: type[Exception] = inflate.error  # type: ignore[assignment]  # its stub states an instance

_GZIP = 16 + inflate.MAX_WBITS


class GzipDecompressor:
    """The decompressor of one member, with the interface of those of bz2, lzma and zstd."""

    def __init__(self) -> None:
        self._decoder = inflate.decompressobj(wbits=_GZIP)

    @property
    def eof(self) -> bool:
        """Whether the end of the member was read, and its checksum and length were right."""
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        """Whether `decompress` returns nothing more without further data."""
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the member in the data that was given."""
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most ``max_length`` inflated bytes; raise `GzipError` where the data is damaged."""
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
