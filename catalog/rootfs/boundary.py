"""Where a long file ends among leaves that are not here.

A file of more than 256 KiB is cut by its content, so only its frames say how many leaves it has. Behind its last leaf the cut
begins anew: with the zeros that pad the file, and a tar header. So leaves that may be the next are looked at, and the file's own
are not fetched. Bounds on the content of a leaf (the rule of the cut, and the size that the frame of a content can have at most)
leave few candidates, and leaves that hold nothing but a header are tiny.

A file that holds a tar may begin a leaf with a header too. Whoever takes a boundary from here must compare where the layer ends.
Source: docs/formats/image.md, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Final

from catalog.image.chunking import A
from catalog.rootfs.header import BLOCK, is_header
from catalog.rootfs.leaves import Leaf

_LEAST: Final = A // 4  # of a chunk that is not the last of its file
_MOST: Final = 4 * A


def list_candidates(
    leaves: Sequence[Leaf], first: int, size: int, size_of: Callable[[int], int | None], *, cheap: int
) -> list[int]:
    """Return which leaves may be the one behind a file of ``size`` bytes that begins with leaf ``first``, in the order to look.

    ``size_of`` returns the content size of a leaf that is here, else None. Those of at most ``cheap`` stored bytes come first, in
    the layer's order, since a later file may end like this one; then those of twice as many, and so on.
    """
    found = []
    least = most = 0  # of the leaves up to a number
    for number in range(first, len(leaves) - 1):
        known = size_of(number)
        lowest = (leaves[number].stored_size - 64) * 256 // 257 if known is None else known
        most += _MOST if known is None else known
        if least + lowest > size:
            break
        if most >= size:
            found.append(number + 1)
        least += max(lowest, _LEAST) if known is None else known
        if least >= size:
            break
    return sorted(found, key=lambda number: (max(leaves[number].stored_size // cheap, 1).bit_length(), number))


def is_behind_file(content: bytes, size: int, *, is_last: bool) -> bool:
    """Return whether a leaf's content can be what follows a file of ``size`` bytes: its padding, then a header or the end."""
    padding = -size % BLOCK
    if content[:padding].strip(b"\0"):
        return False
    return is_header(content[padding : padding + BLOCK]) or (is_last and not content.strip(b"\0"))
