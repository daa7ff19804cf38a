"""Deltas between two archives (format ``dcat-delta/1``): one file that rebuilds the blocks of a target that its base lacks.

`header` is the file's header, `writer` and `file` write a delta, `reader` and `rebuilder` turn one back into blocks, `contents` is
the content of a block that deltas are made of, `policy` decides which delta is worth its price.
"""
