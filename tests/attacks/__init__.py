"""Attacks by a publisher who signs everything correctly, each played over HTTP from a process of its own.

A new idea costs about ten lines::

    def test_something(mallory: Attacker, ann: Victim) -> None:
        mallory.publish(make_release("web", "1.0", "old"))      # any Release, or any bytes as a line (`publish_lines`)
        ann.subscribe(mallory, "bob")
        mallory.publish(make_release("web", "1.0", "new"))      # signed, one sequence higher
        update = ann.sync(mallory)                              # the product's own sync, over HTTP
        assert update.conflicts
        with pytest.raises(ReleaseConflictError):
            ann.resolve("bob/web@1.0")

``publisher`` is the attacker: a key, blocks, lines and records, none of them checked; `Attacker` starts it and calls it.
``victim`` is a home that follows it. ``conftest`` offers both as fixtures. Tests are named after the row of docs/safety.md that
they show; what was tried without a row, with the outcomes, stands in ``test_ideas.py``.
"""
