"""Clients of other programs: HTTP with untrusted hosts (`http`), Kubo's RPC (`kubo`), Docker's API (`docker`), DNSLink (`dnslink`),
IPFS Clusters (`cluster`), pinning services (`pinning`).

None of them knows anything of catalogues.
"""
