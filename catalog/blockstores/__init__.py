"""Where a home keeps blocks: `embedded` over `blockfile` (SQLite), and `moved` (blocks that a Kubo node holds for this home).
`leasing` protects blocks from collection, `writing` writes archives in batches, `holding` tells whether an archive is complete.
"""
