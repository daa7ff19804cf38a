"""What may never be forgotten: highest sequences, contents once seen, ownership of names; and the decisions over them.

`decision`, `freshness` and `merge` are pure; `store`, `contents` and `ownership` keep ``trust.sqlite``.
"""
