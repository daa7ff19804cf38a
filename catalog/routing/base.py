"""Where the signed record of a name is: the one protocol that everything above it speaks.

A routing moves bytes and trusts nothing: whoever takes a record from it validates it (`catalog.ipns.record`). The contract:

- `get` gives a record's bytes of at most `MAX_RECORD_SIZE`, or None where this routing knows none; it raises `UnavailableError`
  where it
  cannot be reached.
- `put` offers a record; a routing may keep a better one that it has, and says nothing of it.
"""

from typing import Protocol

from catalog.ipns.name import IpnsName


class Routing(Protocol):
    """Where signed IPNS records can be had and left."""

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record that this routing knows for ``name``, unvalidated, or None."""
        ...

    def put(self, name: IpnsName, record: bytes) -> None:
        """Offer ``record`` for ``name``."""
        ...
