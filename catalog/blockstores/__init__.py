"""Where a home keeps blocks: `embedded` over `blockfile` (SQLite), `moved` (blocks that a Kubo node holds for this home), `memory`;
`leasing` protects blocks from collection, `writing` writes archives in batches, `holding` finds what is missing of one.
"""
