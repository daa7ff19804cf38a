"""What is needed of an archive, brought here: by a delta from an older image where one is smaller, else block by block."""

from catalog.delivery.archive import Need, count_need, explain_absence, fetch_archive, open_store

__all__ = ["Need", "count_need", "explain_absence", "fetch_archive", "open_store"]
