"""Snapshots, format ``dcat-catalogue/1``: one published state of a catalogue, an ordinary UnixFS directory under one root CID.

::

    catalogue.json        {"format","previous","published","releases","title"}                       (`catalogue`)
    releases.ndjson       every release, one line each, sorted by (name, version) as bytes            (`line`, `tree`)
    images/<name>/<version>.<platform>.tar.zst                        archives, as links              (`images`)
    images/<name>/<version>.<platform>.<base archive CID>.delta      deltas, as links

Both files are RFC 8785 JSON with LFs (`json`). The same releases give the same CIDs whatever the order of edits; a change of k
among n releases writes, moves and reads O(k log n) blocks. `writer` makes a snapshot whole or from the last one (`edit`), `reader`
opens and reads one, `difference` yields the changes between two (both use `view`). Invalid data raises `SnapshotError` only.

Considered: DAG-CBOR maps (no plain tool shows them), one file per release (a million blocks for a million releases), an SQLite
file (hostile files would be opened by a C library, and each edit moves pages). Chosen: text that `ipfs cat` and `jq` read, cut so
that edits stay small, with `images/` beside it so that one pin keeps the catalogue and everything it names.
"""
