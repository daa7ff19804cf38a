"""``index.sqlite``: releases of all catalogues, subscriptions, history and full-text search. A cache; snapshots can rebuild it.

- ``schema``: the tables; ``releases``, ``names``: their rows; ``order``: versions in sort order
- ``subscriptions``: the catalogues that are shown; ``catalogue``, ``entry``: one of them, and a release with its catalogue
- ``update``: what a commit of the trust store owes the index; ``loading``: a whole catalogue; ``rebuild``: all of them
- ``own``, ``search``, ``history``: the questions that commands ask
"""
