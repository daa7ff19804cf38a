"""Fetching what is missing of an archive: by a delta from an older image where that is smaller, else block by block.

- ``archive``: what operations call
- ``upgrade``: the first delta that works; ``offers``: the deltas there are; ``known``: the images that they may start from
- ``applying``: a delta becomes blocks
- ``savings``: what deltas saved over all time
- ``bundled``: deltas that a bundle carries
- ``metadata``: of several images, without their layers; ``contents``: the files inside an image
"""

from catalog.delivery.archive import (
    Delivered,
    Need,
    bring_archive,
    check_image,
    count_need,
    explain_absence,
    fetch_archive,
    fetch_image,
    open_archive,
    open_store,
    peek_archive,
    plan_delta,
)
from catalog.delivery.offers import PlannedDelta, TakenDelta
from catalog.delivery.savings import Savings, add_saving, find_savings

__all__ = [
    "Delivered",
    "Need",
    "PlannedDelta",
    "Savings",
    "TakenDelta",
    "add_saving",
    "bring_archive",
    "check_image",
    "count_need",
    "explain_absence",
    "fetch_archive",
    "fetch_image",
    "find_savings",
    "open_archive",
    "open_store",
    "peek_archive",
    "plan_delta",
]
