"""The sections of a delta: whatever the sizes, two archives give every writer the same delta, and it rebuilds the target."""

import io
import random
from collections.abc import Iterable, Iterator

import pytest

from catalog.delta import writer
from catalog.delta.header import decode_header
from catalog.delta.writer import WIRE_LEVEL, write_delta
from catalog.ipld.block import Block
from catalog.ipld.cid import Cid
from catalog.ipld.varint import decode_varint, encode_varint
from tests.delta.pairs import Pair
from tests.factory.archives import MemoryBlocks, store_image
from tests.factory.images import SampleImage, make_image
from tests.factory.tars import make_layer


class OtherOrder(MemoryBlocks):
    """A store that gives blocks in another order than they were asked for."""

    def get_many(self, cids: Iterable[Cid]) -> Iterator[Block]:
        yield from sorted(super().get_many(cids))


def draw_image(chance: random.Random, files: dict[str, bytes], number: int) -> SampleImage:
    names = sorted(files)
    cut = chance.randrange(len(names) + 1)
    return make_image(
        [make_layer({name: files[name] for name in part}) for part in (names[:cut], names[cut:])], labels={"n": f"{number}"}
    )


def check_pair(chance: random.Random, patch: pytest.MonkeyPatch) -> int:
    """Write a delta twice and read it; return the number of its sections."""
    patch.setattr(writer, "_PREFIX_SIZE", chance.choice([0, 500, 70_000, 500_000]))
    patch.setattr(writer, "_USUAL_SECTIONS", chance.choice([0, 2, 768]))
    files = {
        f"f{number:02d}": chance.randbytes(chance.choice([0, 5000, 70_000, 200_000]))
        for number in range(chance.choice([0, 1, 6, 12]))
    }
    changed = dict(files)
    for name in chance.choices(sorted(files), k=chance.choice([1, 3, 12])) if files else []:
        changed[name] = changed[name][:100] + chance.randbytes(chance.choice([0, 5, 90_000]))
    base, target = (draw_image(chance, content, number) for number, content in enumerate((files, changed)))
    pair = Pair(lambda blocks: store_image(base, blocks), lambda blocks: store_image(target, blocks))
    sizes = payload_sizes(pair)
    exact = sum(sizes[: chance.randrange(1, len(sizes) + 1)])
    section_size = chance.choice([1, 100_000, 400_000, exact - 1, exact, exact + 1])
    patch.setattr(writer, "_SECTION_SIZE", section_size)
    data = pair.write()
    other = io.BytesIO()
    written = write_delta(
        pair.base.archive,
        pair.target.archive,
        OtherOrder(map(Block._make, reversed(pair.all.blocks.items()))),
        other,
        level=WIRE_LEVEL,
    )
    assert written.head + other.getvalue() == data
    assert pair.try_read(data)[1] is None
    check_cuts(pair, data, section_size)
    length, start = decode_varint(data)
    return len(decode_header(data[start : start + length]).sections)


def payload_sizes(pair: Pair) -> list[int]:
    """Return what each new block takes in a payload."""
    return [len(encode_varint(len(content))) + len(content) for content in map(pair.content, pair.new)]


def check_cuts(pair: Pair, data: bytes, section_size: int) -> None:
    """Every section holds as many of the new blocks, in their order, as its size allows, and at least one."""
    length, start = decode_varint(data)
    sizes = payload_sizes(pair)
    for number, section in enumerate(decode_header(data[start : start + length]).sections):
        most = section_size * (1 if number < writer._USUAL_SECTIONS else writer._LATER_FACTOR)
        taken = sizes.pop(0)
        while sizes and taken + sizes[0] <= most:
            taken += sizes.pop(0)
        assert section.size == taken
    assert not sizes


def check_pairs(seeds: Iterable[int]) -> set[int]:
    numbers = set()
    for seed in seeds:
        with pytest.MonkeyPatch.context() as patch:
            try:
                numbers.add(check_pair(random.Random(seed), patch))
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise
    return numbers


@pytest.mark.slow
def test_no_size_makes_two_deltas_of_the_same_archives() -> None:
    numbers = check_pairs(range(150))
    assert min(numbers) == 1
    assert max(numbers) > 10


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_size_in_ten_thousand_makes_two_deltas() -> None:
    check_pairs(range(150, 10_150))
