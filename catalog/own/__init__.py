"""The own catalogue, from rows of the index to a signed snapshot that others can follow.

A snapshot and its record are always made and kept here, at once, with or without a network: a home alone is complete. Then they are
put where the user configured it. The modules, from the ground up:

    snapshots    what changed since the last snapshot -> the next one, in this home's blocks
    signing      a snapshot -> a signed record, and the floor that it raises
    merging      a higher record than this home signed -> merged into the index, never signed over
    kubo         blocks, pin and record to a Kubo node
    share        all of it in order: what every command that changes the own catalogue ends with
"""
