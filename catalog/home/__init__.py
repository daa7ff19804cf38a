"""A user's home directory: opened and wired in `home`; what it keeps and why (`roots`), the records of catalogues (`records`),
deltas made for others (`deltas`), and whether its files are sound (`damage`).
"""
