"""Bundles: one file that carries blocks and signed records where there is no network (format ``dcat-bundle/1``).

A bundle is a CARv1, so every tool that reads CARs reads its blocks. Its one root is the *manifest*, a strict DAG-CBOR block that
stands first::

    {"deltas": [[base, target, file, size], …], "format": "dcat-bundle/1", "records": {"k51…": link, …}, "roots": [link, …],
     "since": [link, …]}

- ``roots`` are the DAGs that the bundle brings (snapshots, archives), whole except for blocks that are also under ``since``, which
  the receiver must already hold. Neither list names a CID twice.
- ``deltas`` replace blocks: of archive ``target`` only the root and the metadata are in the file, and ``file`` is a delta of
  ``size`` bytes (``dcat-delta/1``, a UnixFS file) that rebuilds the rest from archive ``base``. A base is under ``since``, or is a
  root that precedes its target. No target occurs twice.
- ``records`` maps an IPNS name in its canonical text to a raw block with the bytes of a signed record. These blocks follow the
  manifest.
- The remaining blocks follow in any order. A manifest has exactly these keys and at most 1 MiB.

Nothing in a bundle is trusted: a block is compared with its CID each time it is read, a record is validated by whoever takes it,
and the receiver finds out by itself what is missing. Opening a bundle passes over the file once, without hashing, to note where
each block stands; a file that is not a CAR or is cut short is refused then.

Considered: a tar of files (a second parser for untrusted bytes), CARv2 with its index (an index from outside cannot be trusted);
chosen: CARv1, because sources already speak it.
"""

from catalog.sources.bundle.manifest import FORMAT, BundledDelta, BundleManifest, write_bundle
from catalog.sources.bundle.source import BundleRouting, BundleSource

__all__ = ["FORMAT", "BundleManifest", "BundleRouting", "BundleSource", "BundledDelta", "write_bundle"]
