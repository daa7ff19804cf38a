"""Images, pure over streams and blocks: any export in, the one canonical archive and its DAG out (``dcat-image/1``), and deltas
between two archives (``dcat-delta/1``).

In: `archive` reads any export in one pass (`tar` and `compression` read what others wrote, strictly, in bounded memory), `export`
says which images are in it (`document`, `oci` and `config` read its JSON).
Stored: `canonical` is the archive byte for byte, `chunking` where it is cut, `encoder` how a chunk becomes a frame, `dag` writes
the blocks. The same image gives the same archive CID whatever engine or tool exported it, because only the config's bytes and the
uncompressed layers are taken, and everything else is a function of them.
Out: `reader` gives the archive or the tar back, every layer verified; `walk` is the order of its blocks.
Deltas: `delta` is the format, `delta_writer` and `delta_reader` (with `rebuilding`) make and apply them.

Considered for storing: the engine's own tar (another for each save), layers as registries have them, gzip (no two tools give the
same bytes, nothing shared between versions), fixed-size chunks (one added file shifts all that follow). Chosen: cut where files
begin, so that what two versions share is the same blocks. Source: design.md, section 2.
"""
