"""What `dcat serve` answers: this home's catalogues, read-only, over HTTP.

One port, no state of its own, nothing fetched for strangers. The parts:

- ``running``: listen, run until told to stop, do chores meanwhile
- ``protocol``: the limits on connections and on how requests are framed, beneath everything else
- ``crowd``, ``places``: who makes room when there are too many connections; how many requests are answered at once
- ``guard``: what every request passes before a route is looked for: Host, token, body, a free place
- ``app``: which path is answered by what; a further part of the server adds its routes there
- ``gateway``, ``negotiation``, ``selection``: ``/ipfs`` as a trustless gateway, and whole UnixFS files
- ``routing``: ``/ipns`` and ``/routing/v1``: signed records
- ``catalogue``, ``deltas``: ``/dcat/v1``
- ``health``, ``counters``, ``log``: ``/health`` and ``/metrics``, and a line for each request
- ``site``, ``opening``, ``linked``, ``chores``: what a home shows: the one thing that all of these read from; how a home becomes
  one, with or without a Kubo node; what keeps it up to date

What is served is what the home's own store holds (`site.Site`).
"""
