"""UnixFS: files and directories as DAGs of blocks, written as Kubo's profile unixfs-v1-2025 writes them, read in any form.

``node`` is the message in a block, ``file`` a node of a file; ``file_writer`` and ``file_reader`` write and read whole files,
``directory`` plain and sharded directories (``hamt``, placed by ``murmur3``). All work over a `BlockSource` and a function that
takes new blocks; nothing here does I/O.
"""
