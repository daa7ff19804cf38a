"""Storage on the local disk: atomic writes (`files`), locks between processes (`locks`), the private key (`keyfile`), and SQLite
(`sqlite`, `database`).
"""
