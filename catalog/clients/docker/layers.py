"""Which layers a classic engine has already."""

from collections.abc import Collection, Sequence

from catalog.model.digest import ChainID, DiffID, chain_ids


def spare_of_chains(diff_ids: Sequence[DiffID], present: Collection[ChainID]) -> frozenset[DiffID]:
    """Give the layers that a classic engine does not open: those of the longest prefix whose chainIDs it has.

    A layer that occurs again above that prefix must be sent: the engine looks for it there on other parents.
    """
    held = present_prefix(diff_ids, present)
    return frozenset(diff_ids[:held]) - frozenset(diff_ids[held:])


def present_prefix(diff_ids: Sequence[DiffID], present: Collection[ChainID]) -> int:
    """Give how many layers, from the base on, have a chainID that is present."""
    return next((place for place, chain_id in enumerate(chain_ids(diff_ids)) if chain_id not in present), len(diff_ids))
