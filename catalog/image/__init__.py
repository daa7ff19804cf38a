"""Images, pure over streams and blocks: from any export to the canonical archive and its DAG (format ``dcat-image/1``).

Reading exports: `archive` reads any export in one pass (`tar` and `compression` parse it strictly, in bounded memory), `export`
selects among its images (`document`, `oci` and `config` read its JSON).
Storing: `canonical` lays out the archive byte for byte, `chunking` cuts it, `encoder` turns a chunk into a frame, `dag` writes the
blocks. The same image gives the same archive CID whatever engine or tool exported it, because only the config's bytes and the
uncompressed layers are taken, and everything else is a function of them.
Reading archives: `reader` returns the archive or the tar, every layer verified; `walk` is the order of its blocks.

Considered for storing: the engine's own tar (another for each save), layers as registries have them, gzip (no two tools give the
same bytes, nothing shared between versions), fixed-size chunks (one added file shifts all that follow). Chosen: cut where files
begin, so that what two versions share is the same blocks. Source: docs/formats/image.md.
"""
