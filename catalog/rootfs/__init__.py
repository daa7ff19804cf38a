"""What is inside an image: the files of its layers, read from stored chunks without unpacking anything.

- ``entry``: a file, directory or link as a layer records it
- ``header``: the tar headers of a layer, read as an engine reads them
- ``leaves``: the blocks that hold a layer's bytes, in order
- ``boundary``: where a long file ends among leaves that are not here
- ``content``: a layer's bytes by position
- ``listing``: all entries of one layer, and the form in which a listing is kept
- ``tree``: the layers of an image applied one on top of the other, whiteouts included
- ``packages``: what Debian's, Alpine's and Python's own metadata say is installed
- ``difference``: the files and packages that two images differ in

A layer is cut where its files begin (`catalog.image.chunking`), so a listing inflates only the chunks with headers and small files;
a file of 32 KiB or more lies in chunks of its own, whose CIDs say whether it changed, and which need not be fetched. Other cuts
are read as well, more slowly.
Sources: OCI image-spec, layer.md ("Applying Changesets", "Whiteouts"); POSIX pax, "ustar Interchange Format".
"""
