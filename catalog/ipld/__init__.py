"""Blocks, and the formats that name and encode them: CIDs, varints, multibase texts, dag-pb, DAG-CBOR, CAR.

All are hand-written: the formats are small and frozen, and the packages for them are slow, lenient or unmaintained. The tests use
those packages as oracles. Each decoder raises only `CidError`, `CodecError` or, for a block that is not the one its CID names,
`BlockMismatchError`.
"""
