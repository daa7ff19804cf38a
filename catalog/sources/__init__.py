"""Where blocks and records are fetched from: other dcat servers, gateways, Kubo nodes, bundles. None of them is trusted.

`source` is one source as a fetch sees it, `wantlist` and `fetch` share one fetch among sources, `store` is the blockstore that
looks here first and then fetches; `http`, `kubo` and `bundle` are the sources themselves; `records` asks for signed records;
`network` is what the user configured.
"""
