"""The persistent trust state: highest sequences, contents once seen, ownership of names; and the decisions over them.

`decision`, `freshness` and `merge` are pure; `store`, `contents` and `ownership` read and write ``trust.sqlite``.
"""
