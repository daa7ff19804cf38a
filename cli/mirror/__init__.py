"""Engines on this machine that ask the server of dcat first: their settings, changed and restored.

What is added carries a mark where the format has comments, and everything else in a file stays as it was. Before a file is
changed, a copy is kept beside it, in ``FILE.dcat-backup``. Removing puts the copy back where nobody changed the file since, else it
takes out only what was added.
"""
