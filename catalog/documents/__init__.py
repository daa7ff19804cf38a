"""What ``--json`` and the JSON twins of the pages say of a thing: one dataclass a thing, the same wherever it is shown.

A page that says more of a thing extends its dataclass, so that a program reads both alike. Fields are only added, never renamed.

- ``encoding``: a document as JSON, and its JSON Schema
- ``files``: a file of an image
- ``differences``: layers, settings, packages and files that two images differ in
- ``catalogues``: a catalogue of a home
- ``names``: a name of a catalogue
- ``releases``: a release, its images and their layers
"""
