"""`dcat serve`: this home's catalogues over HTTP (docs/formats/http.md).

One port, no state of its own. A request changes nothing but a newer signed record, and fetches nothing: unless the user starts the
server with ``--push`` or ``--fetch``. From the socket up:

- ``running``: listens, runs until told to stop, and does chores meanwhile; ``settings``, ``chores``; ``heap``: freed memory is
  returned to the system
- ``transport``: limits on connections and on how requests are framed (``protocol``); who is cut off when there are too many
  connections (``crowd``)
- ``guard``: what every request passes before a route is looked up: Host, origin, token, body, a free slot
- ``app``: the table of routes; a further part of the server adds its own there
- ``gateway``: ``/ipfs`` as a trustless gateway, and whole UnixFS files
- ``routing``: signed IPNS records and providers, under ``/routing/v1``
- ``registry``: ``/v2``, for engines; ``publishing``: images that they push; ``feeding``: images that are fetched for them
- ``pages``: for people
- ``catalogue``, ``deltas`` with ``jobs``: ``/dcat/v1``
- ``health``, ``counters``, ``log``: ``/health``, ``/metrics``, and one line for each request
- ``response``: headers, refusals and streamed bodies
- ``site``: what a home shows to all of these, with or without a Kubo node
"""
