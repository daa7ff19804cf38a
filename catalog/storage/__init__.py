"""Files of a home: SQLite databases (`sqlite`, `database`), the private key (`keyfile`), and files written atomically (`files`)."""
