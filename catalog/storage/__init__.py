"""Storage on the local disk: atomic writes (`files`), the room that is left (`space`), files of other users (`owners`), locks
between processes (`locks`), whether one is running still (`processes`), the private key (`keyfile`), and SQLite (`sqlite`,
`database`).
"""
