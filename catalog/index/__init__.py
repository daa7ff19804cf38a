"""``index.sqlite``: releases of all catalogues, subscriptions, history and full-text search. A cache; snapshots can rebuild it."""
