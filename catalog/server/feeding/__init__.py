"""Fetching for clients (``serve --fetch``): releases of followed catalogues that are known and not held.

The first client that asks for an image starts a job in a thread of its own: by delta where an older image is held, from the sources
of the catalogue. Metadata comes first, so the manifest is answered at once; a layer is then read while it arrives, and a client
that reads faster than it comes waits. However many clients ask, there is one job for an image. What came so is pinned as
``fetched``: `gc` keeps it, and the oldest are unpinned where all of them take too much. Nothing is fetched that is not the image
of a release in a followed catalogue. An index needs the metadata of all its images: looking at one is a job too, with the same
bounds.

When the server stops, its jobs end with their next block; a thread that a source keeps waiting does not keep the process.

``feeder`` starts and ends jobs, ``job`` is the state of one and how it is waited for, ``waiting`` reads blocks on their way, and
``pins`` decides what stays of all that was fetched.
"""
