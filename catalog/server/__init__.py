"""`dcat serve`: this home's catalogues over HTTP, read-only.

One port, no state of its own, nothing fetched for strangers (docs/formats/http.md). From the socket up:

- ``running``: listens, runs until told to stop, and does chores meanwhile; ``settings``, ``chores``
- ``transport``: limits on connections and on how requests are framed (``protocol``); who is cut off when there are too many
  connections (``crowd``)
- ``guard``: what every request passes before a route is looked up: Host, origin, token, body, a free slot
- ``app``: the table of routes; a further part of the server adds its own there
- ``gateway``: ``/ipfs`` as a trustless gateway, and whole UnixFS files
- ``records``: signed IPNS records under ``/ipns`` and ``/routing/v1``
- ``catalogue``, ``deltas``: ``/dcat/v1``
- ``health``, ``counters``, ``log``: ``/health``, ``/metrics``, and one line for each request
- ``response``: headers, refusals and streamed bodies
- ``site``: what a home shows to all of these, with or without a Kubo node
"""
