"""Records inside a bundle file."""

from catalog.blockstores.bundle import BundleSource
from catalog.errors import UnavailableError
from catalog.ipns.name import IpnsName


class BundleRouting:
    """The records that a bundle brought; nothing can be left there."""

    def __init__(self, bundle: BundleSource) -> None:
        self._bundle = bundle
        self.name = bundle.name

    def get(self, name: IpnsName) -> bytes | None:
        """Give the record of the bundle, unvalidated, or None."""
        return self._bundle.records.get(str(name))

    def put(self, name: IpnsName, record: bytes) -> None:
        """Refuse: a bundle is written once."""
        raise UnavailableError(
            f"{self.name} takes no record of {name}", why=f"it was written once, without these {len(record)} bytes"
        )
