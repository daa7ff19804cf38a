"""Clients of other programs' protocols, without any knowledge of catalogues: HTTP with untrusted hosts, Kubo's RPC, Docker's API,
DNSLink.
"""
