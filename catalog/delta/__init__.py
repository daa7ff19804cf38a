"""Deltas between two archives (format ``dcat-delta/1``): one file that rebuilds the blocks of a target that its base lacks.

`header` is the file's header, `make` makes a delta file if it is worth its price, `writer` writes one, `reader` and `rebuilder`
turn one back into blocks, `contents` is the content of a block that deltas are made of, `policy` decides which delta to take.
"""
