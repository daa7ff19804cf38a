"""dcat's library: a content-addressed catalogue of Docker images on IPFS.

The rooms, from the ground up; a module imports its package's siblings and what stands above it here (checked by import-linter):

    errors, limits, progress   expected failures, every limit, one event type for all progress
    ipld/                      blocks, CIDs and the codecs: dag-pb, DAG-CBOR, CAR; the protocols of block stores
    model/                     digests, platforms, references, releases
    unixfs/ ipns/              files and directories of blocks; names, keys and signed records
    image/                     any export of an image -> the one canonical archive and its DAG
    snapshot/                  a catalogue as an immutable DAG
    delta/                     a next version as the few bytes that changed
    storage/                   SQLite files, the private key's file, files written atomically
    clients/                   HTTP, Kubo, Docker: I/O without a domain
    blockstores/               where a home keeps blocks
    sources/                   where blocks and records are fetched from
    trust/                     what was seen before, who owns a name, and what may replace what
    index/                     releases, subscriptions, history, search
    lookup/                    the quick read-only path of `resolve`
    home/                      the opened home: wires the parts together
    delivery/                  archives brought here: by delta, or block by block
    intake/                    images taken in: from an engine, a file, another release
    own/                       the own catalogue: signed, shared, merged
    followed/                  others' catalogues: checked, taken, mirrored
    operations/                one verb a file, twin of a command
    server/                    what `dcat serve` answers

The library prints nothing, reads no environment, never exits and never asks for the time of day.
"""
