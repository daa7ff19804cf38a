"""A catalogue as the index shows it, for the quick look-up and for everything else."""

from catalog.record import record


@record(frozen=True, slots=True)
class CatalogueRow:
    """A catalogue as the index shows it.

    ``catalogue`` is its IPNS name, ``root`` the CID of the snapshot whose releases are shown, both as text; ``sequence``,
    ``expires`` and ``checked`` are its record's; times are text as in snapshots. Unknown values are None.
    """

    catalogue: str
    own: bool = False
    alias: str | None = None
    title: str = ""
    root: str | None = None
    sequence: int | None = None
    expires: str | None = None
    checked: str | None = None
    published: str | None = None

    @property
    def label(self) -> str:
        """The name for display: ``mine``, its alias, or its IPNS name."""
        return "mine" if self.own else self.alias or self.catalogue
