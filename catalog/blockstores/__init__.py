"""Where a home keeps blocks: `embedded` over `blockfile` (SQLite), and `moved` (blocks that a Kubo node holds for this home).
`layers` says which layer a blob of a registry was.
`leasing` protects blocks from collection, `writing` writes archives in batches, `holding` tells whether an archive is complete.
"""
