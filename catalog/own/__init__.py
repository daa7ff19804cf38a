"""The own catalogue, from rows of the index to a signed snapshot that others can follow.

A snapshot and its record are always written to the home first, with or without a network: a home alone is complete. Then they are
put where the user configured it. The modules, from the ground up:

    release      a release with images added
    snapshots    changes since the last snapshot -> the next snapshot, in this home's blocks
    signing      a snapshot -> a signed record, which raises the floor
    merging      a record that another home of this key signed -> merged into the index, never signed over
    deltas       the delta that a new release gets
    nodes        what the trust store knows of the places that the catalogue is shared through
    places       a Kubo node by itself, or a cluster by one of its nodes
    moving       archives that live in such a place only
    linked       the archives and deltas that a snapshot links, and what is new in it
    incomplete   archives that lost blocks, and how a node keeps the rest
    upload       blocks to the place's node, and their pin there
    kubo         one pin and the record to a Kubo node
    replicas     the pin in an IPFS Cluster
    cluster      all of it to a cluster: what is shared, deleted here and unpinned, and when
    pinning      copies at pinning services
    unshared     the changes that a node does not have yet
    state        the own catalogue as one share sees it
    share        all of it in order: the last step of every command that changes the own catalogue
    inspecting   what a node says, for a diagnosis
    repairing    snapshots that lost blocks
"""
