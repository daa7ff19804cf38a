"""What is needed of an archive, brought here: by a delta from an older image where one is smaller, else block by block.

`archive` is what operations call; `upgrade` finds older images and deltas, `choosing` decides, `applying` turns one into blocks.
"""

from catalog.delivery.archive import (
    Delivered,
    Need,
    bring_archive,
    count_need,
    explain_absence,
    fetch_archive,
    fetch_image,
    open_store,
    plan_delta,
)
from catalog.delivery.savings import Savings, add_saving, find_savings
from catalog.delivery.upgrade import PlannedDelta, TakenDelta

__all__ = [
    "Delivered",
    "Need",
    "PlannedDelta",
    "Savings",
    "TakenDelta",
    "add_saving",
    "bring_archive",
    "count_need",
    "explain_absence",
    "fetch_archive",
    "fetch_image",
    "find_savings",
    "open_store",
    "plan_delta",
]
