"""Where a home keeps blocks: `embedded` over `blockfile` and `rows` (SQLite), and `moved` (blocks that a Kubo node holds for it).

`leasing` protects blocks from collection, `writing` writes archives in batches, `staging` keeps blocks on trial, `memory` is a
store without a file, and `holding` tells whether an archive is complete. `layers` and `provenance` note what images were pushed as.
"""
