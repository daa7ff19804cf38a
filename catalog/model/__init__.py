"""The values that all rooms share: digests, platforms, references and releases. Pure: no I/O."""
