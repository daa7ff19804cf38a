"""Followed catalogues: from asking for a newer record to rows of the index.

Sources are not trusted: records are validated and compared with what was ever accepted here, blocks are compared with their CIDs,
snapshots are read under limits, releases are compared with what they were seen with. The modules, lowest first:

    checking     ask every source for the newest record of a name, and compare it with what is held
    arriving     keep the blocks of an index under way apart from those that are served
    fetching     bring the snapshot of a chosen record here, without any lock
    comparing    compare its releases with the contents that they were seen with
    taking       put the snapshot of a chosen record into the index; floor, contents and ownership first
    changes      what a snapshot changed, for output and the history
    overlap      names that belong to another catalogue here
    undoing      take back what a suspicious snapshot brought
    directories  images/ of a snapshot, as blocks of this home
    mirroring    keep every image of a catalogue here
    offering     keep the record of a followed catalogue alive in the IPFS network
    target       from what users type for a catalogue to its IPNS name
    updating     update several catalogues, side by side
    inspecting   what each source answers, for a diagnosis
"""
