"""Images into blocks of the canonical archive: from an engine, a file, a stream or an OCI layout (`intake`), or from a release that
is known here and archives on IPFS (`release`).
"""
