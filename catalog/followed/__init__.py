"""Other people's catalogues: from the question "is there a newer record?" to rows of the index.

Nothing that comes from a source is believed: records are validated and judged against what was ever accepted here, blocks are
compared with their CIDs, snapshots are read under limits, releases are compared with what they were seen with. The modules, from
the ground up:

    checking     ask everybody for the newest record of a name, and decide what it is to what is held
    taking       a chosen record -> its snapshot's releases in the index, with floor, contents and ownership first
    changes      what a snapshot changed, for people and for the history
    offering     keep a followed catalogue's record alive in the networks that this home is part of
    target       what people type to mean a catalogue -> its name
    updating     one catalogue after the other, in the order of subscription
"""
