"""The layers that a classic engine has already."""

from collections.abc import Collection, Sequence

from catalog.model.digest import ChainID, DiffID, chain_ids


def spare_of_chains(diff_ids: Sequence[DiffID], present: Collection[ChainID]) -> frozenset[DiffID]:
    """Return the layers that a load into a classic engine may leave out: the longest prefix whose chainIDs it has.

    A layer that occurs again above that prefix is not among them: there it has another chainID.
    """
    held = present_prefix(diff_ids, present)
    return frozenset(diff_ids[:held]) - frozenset(diff_ids[held:])


def present_prefix(diff_ids: Sequence[DiffID], present: Collection[ChainID]) -> int:
    """Return how many layers, from the base on, have a chainID that is present."""
    return next((place for place, chain_id in enumerate(chain_ids(diff_ids)) if chain_id not in present), len(diff_ids))
