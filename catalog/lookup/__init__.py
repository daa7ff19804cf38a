"""The quick, read-only path of ``dcat resolve`` and completion: what a reference means, by stdlib `sqlite3` only.

`view` reads the index and the trust store in one consistent state each, `locate` applies the rules for references, `unknown` says
what was probably meant. Nothing here imports SQLAlchemy, so that start-up stays below 60 ms.
"""
