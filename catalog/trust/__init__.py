"""The persistent trust state: highest sequences, contents once seen, ownership of names; and the decisions over them.

Pure: `decision` (which record may replace which), `freshness` (how old is too old), `merge` (two homes of one key).

Over ``trust.sqlite`` (`schema`): `store` (floors, pins, notes), `ownership` (whose a name is), `contents` (what each release was
seen with), `comparison` (what a new snapshot changes of that), `conflicts` and `withheld` (what waits for the user), `provisional`
(what a suspicious snapshot brought), `own` (changes of the own catalogue).
"""
