"""Where blocks and records are fetched from: dcat servers, gateways, Kubo nodes, bundles. None of them is trusted.

- ``source``: the protocols of remote sources, and the state of one over all fetches
- ``store``: the block source that reads the local store first and then fetches
- ``fetch``: one fetch; ``wantlist`` (shared state), ``wants`` (policy), ``lanes`` (threads), ``traversal`` (what to want next)
- ``http``, ``kubo``, ``bundle``: the sources
- ``records``: the `Routing` protocol and asking several routings
- ``protocol``: paths and media types that HTTP clients share with `catalog.server`
- ``network``: what the user configured
"""
