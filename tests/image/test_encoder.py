"""The encoder is the format's or it is refused; the decoder takes one whole frame or nothing."""

import hashlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import EncoderError, VerificationError
from catalog.image import encoder
from catalog.image.encoder import EMPTY_FRAME, build_probe, check_encoder, compress_chunk, frame_content_size, inflate_frame
from catalog.limits import MAX_CHUNK_SIZE
from tests.factory.golden import IMAGES


def test_probe_is_made_by_its_rule() -> None:
    probe = build_probe()
    assert probe == (IMAGES / "encoder-probe.bin").read_bytes()
    assert hashlib.sha256(compress_chunk(probe)).hexdigest() == ("efe20a9d7f171beb43fad3586df85627363c3c8abdc0e3594d043c9071ed369e")


def test_this_encoder_is_the_formats() -> None:
    check_encoder()
    check_encoder()


@pytest.mark.parametrize("streaming", [False, True])
def test_another_encoder_is_refused(monkeypatch: pytest.MonkeyPatch, streaming: bool) -> None:
    def other(content: bytes) -> bytes:
        compressor = zstandard.ZstdCompressor(level=3 if streaming else 4)
        if not streaming:
            return compressor.compress(content)
        stream = compressor.compressobj(size=len(content))
        return stream.compress(content[:1000]) + stream.compress(content[1000:]) + stream.flush()

    monkeypatch.setattr(encoder, "compress_chunk", other)
    check_encoder.cache_clear()
    for _ in range(2):
        with pytest.raises(EncoderError, match="does not make the frames of dcat-image/1"):
            check_encoder()


def test_no_bytes_have_a_frame() -> None:
    assert compress_chunk(b"") == EMPTY_FRAME
    assert inflate_frame(EMPTY_FRAME) == b""
    assert frame_content_size(EMPTY_FRAME) == 0


@given(st.binary(max_size=5000), st.integers(1, 60))
def test_what_was_compressed_comes_back(piece: bytes, times: int) -> None:
    content = piece * times
    frame = compress_chunk(content)
    assert frame_content_size(frame) == len(content)
    assert inflate_frame(memoryview(frame)) == content


FRAME = compress_chunk(b"some content, " * 100)


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (b"", "not a zstd frame"),
        (b"\0" * 40, "not a zstd frame"),
        (FRAME[:4], "not a zstd frame"),
        (FRAME[:-1], "damaged"),
        (FRAME + b"\0", "damaged"),
        (FRAME + FRAME, "damaged"),
        (EMPTY_FRAME + b"\0", "not the empty frame"),
        (EMPTY_FRAME + FRAME, "not the empty frame"),
        (b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + FRAME, "not a zstd frame"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(b"abc"), "does not state"),
        (zstandard.ZstdCompressor().compress(bytes(MAX_CHUNK_SIZE + 1)), "states 524289 bytes"),
        (zstandard.ZstdCompressor().compress(bytes(1 << 30)), "states 1073741824 bytes"),
        (bytes(600_000), "at most"),
        # states 10 bytes and holds 512 KiB of zeros, states 512 KiB and holds none
        (b"\x28\xb5\x2f\xfd\x20\x0a" + zstandard.ZstdCompressor().compress(bytes(MAX_CHUNK_SIZE))[9:], "damaged|states"),
        (b"\x28\xb5\x2f\xfd\xa0\x00\x00\x08\x00\x01\x00\x00", "damaged|states"),
    ],
)
def test_a_forged_frame_is_refused(leaf: bytes, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        inflate_frame(leaf)


@given(st.binary(max_size=200), st.integers(0, len(FRAME)))
def test_any_bytes_are_content_or_a_verification_error(noise: bytes, at: int) -> None:
    for leaf in (noise, FRAME[:at] + noise + FRAME[at:], FRAME[:at] + noise):
        try:
            content = inflate_frame(leaf)
        except VerificationError:
            continue
        assert len(content) == frame_content_size(leaf) <= MAX_CHUNK_SIZE
