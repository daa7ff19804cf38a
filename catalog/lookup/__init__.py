"""The quick, read-only path of ``dcat resolve`` and completion: what a reference means, by stdlib `sqlite3` alone.

`view` reads the index and the trust store in one unchanging state, `locate` applies the rules for references to it, `nearby` finds
the names that were probably meant. Nothing here imports SQLAlchemy, so that start-up stays below 60 ms.
"""
