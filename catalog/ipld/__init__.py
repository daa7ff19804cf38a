"""Blocks and what names and encodes them: CIDs, varints, multibase texts, dag-pb, DAG-CBOR, CAR.

All hand-written, because these formats are small and frozen and the packages for them are slow, lenient or unmaintained; those
serve as oracles in the tests. Each decoder raises only `CidError`, `CodecError` or, for a block that is not the one its CID names,
`BlockMismatchError`.
"""
