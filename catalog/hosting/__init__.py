"""Writing a catalogue as plain files (``dcat-static/1``) into a folder, again and again: only what is new is written.

- ``folder``: files that are whole or absent, one writer at a time
- ``outlines``: those that an earlier run wrote
- ``archives``: the layers, outlines and deltas of images, and their registry documents
- ``snapshots``: the outline of a snapshot, and packs of older ones
- ``listings``: tags for engines, pages for people, lines for programs
- ``header_rules``, ``examples``: what hosts and web servers have to be told
- ``pruning``: what no release needs any more
- ``checking``: a host, asked as its clients would ask it
"""
