"""Turn images into blocks of the canonical archive: from an engine, a file, a stream or an OCI layout (`intake`), or from a known
release and from archives on IPFS (`release`).
"""
