"""A catalogue as plain files on any web server (format ``dcat-static/1``, docs/formats/static.md), pure.

- ``layout``: which file stands where
- ``outline``: the small blocks of a DAG in one file, and which files hold its large ones
- ``spans``: where the leaves of a DAG stand in such a file, and which ranges are worth one request
- ``pack``: blocks of many snapshots in one file, with an index
- ``registry``: the documents of a read-only OCI registry over the same files
"""
