"""The values that everything speaks of: digests, platforms, references and releases. Pure: no I/O."""
