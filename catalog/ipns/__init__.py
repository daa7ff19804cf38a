"""IPNS, pure: names, keys and signed records, without any network.

The modules: `name` (a name in all its text forms), `key` (the Ed25519 key and its file forms), `validity` (times in nanoseconds),
`record` (creating, validating and choosing records).
"""
