"""Blocks from plain files on any web server (docs/formats/static.md).

The outline of a DAG brings its small blocks in one request, and says in which files its large ones are. Those are read by ranges:
neighbours by one, and many by one request where the server gives several ranges in one answer. A server that ignores or misreads
ranges is asked for whole files, each once: what was not wanted yet waits in a temporary file. Every block is compared with its CID
before it is returned.

What leads to a block is its DAG, so the source has to know which DAGs are wanted (`StaticFiles.expect`): a leaf alone has no
address.
"""

from catalog.sources.static.files import StaticFiles, find_static

__all__ = ["StaticFiles", "find_static"]
