"""``/v2``: the home as a registry (OCI distribution 1.1), for clients that know nothing of dcat. With ``--push`` they push, too.

Names are ``NAME`` of the own catalogue, of others what a reference here means, and ``ALIAS/NAME``; tags are versions. What is
served, to everybody, is the canonical manifest, whose layers are plain tars named by their diffIDs. Fewer bytes are sent by
``Content-Encoding``: the stored zstd frames as they are, or gzip made while it streams.

Considered: a second manifest with zstd layers, or an index of both: Docker 20.10 cannot read it, image IDs become others', and five
clients fetch both.

- ``routes``: the paths; ``errors``: the error documents; ``listing``: names and tags in pages
- ``names``: what a name, a tag and a digest mean here; ``mirrored``: names that another registry's mirror is asked for
- ``images``: the archives behind them, opened and found whole; ``manifests``: manifest and index
- ``blobs``: layers and configs; ``checking``: layers compared with their diffIDs; ``sending``: blobs in the encoding and the range
  that were asked for; ``encoding``: Accept-Encoding, gzip
- ``threads``: of requests that wait for what is being fetched; ``pulls``: what was asked for, by whom
- ``pushing``, ``uploads``, ``paths``: requests that push
"""
