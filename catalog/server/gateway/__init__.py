"""``/ipfs``: a trustless gateway over what the home holds, and UnixFS files."""
