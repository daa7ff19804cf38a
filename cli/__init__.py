"""The command ``dcat``: parses, calls one operation of the library, shows one result."""
