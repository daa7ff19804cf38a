"""dcat's library: a content-addressed catalogue of Docker images on IPFS.

The map, from the ground up; a module imports its package's siblings and what stands above it here:

    errors, limits, progress   the failures that are expected, every limit, one event for all progress
    ipld/                      CIDs and the codecs of blocks: dag-pb, DAG-CBOR, CAR
    digest, platform           the digests of images and layers; os/architecture/variant
    reference, release         what people type; what a release is
    unixfs/                    files and directories of blocks
    ipns/                      names, keys and signed records
    image/                     any export of an image -> the one canonical archive and its DAG; deltas between two
    snapshot/                  a catalogue as an immutable DAG
    clients/                   HTTP, Kubo, Docker: I/O without a domain
    sqlite, database, keyfile  the home's SQLite files, and its private key's
    wholefile                  files that appear whole or not at all
    blockstores/, routing/     where blocks and records are
    network                    what a command may reach: the configured sources and the Kubo node
    trust/                     may this replace what we hold? what was seen, who owns a name
    index/                     releases, subscriptions, history, search, and the quick look-up
    home                       the opened home: the one place that wires the parts together
    intake, delivery, keeping  images into blocks; what is needed of an archive here; what is kept and why
    copying                    images out of a release, or out of a file that somebody added to IPFS
    deltafile, deltacache      a delta as a file; those that a server made, for the next one who asks
    carrying                   deltas that a bundle holds in place of blocks
    sharing/, following/       the own catalogue out to others, theirs in
    operations/                one verb a file, twin of a command
    server/                    what `dcat serve` answers

The library prints nothing, reads no environment, never exits and never asks for the time of day.
"""
