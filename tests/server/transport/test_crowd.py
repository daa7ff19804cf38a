"""Who makes room when there are too many connections."""

from catalog.server.transport.crowd import Stalled, Waiting


class Connection:
    def __init__(self, ended: list["Connection"]) -> None:
        self._ended = ended

    def cut_off(self) -> None:
        self._ended.append(self)


def test_the_one_that_waits_longest_goes() -> None:
    ended: list[Connection] = []
    first, second, third = (Connection(ended) for _ in range(3))
    waiting = Waiting()
    waiting.drop_longest()
    for connection in (first, second, third, first):
        waiting.add(connection)
    waiting.discard(first)  # its request is whole
    waiting.add(first)
    waiting.drop_longest()
    waiting.drop_longest()
    assert ended == [second, third]


def test_answers_that_are_not_read_have_a_limit_together() -> None:
    ended: list[Connection] = []
    first, second, third = (Connection(ended) for _ in range(3))
    stalled = Stalled(100)
    stalled.add(first, 40)
    stalled.add(second, 40)
    stalled.discard(first)  # it read on
    stalled.add(first, 60)
    assert (ended, stalled.bytes) == ([], 100)
    stalled.add(third, 1)
    assert (ended, stalled.bytes) == ([second], 61)
    stalled.add(third, 1000)  # alone it may have more than all together
    assert (ended, stalled.bytes) == ([second, first], 1000)
    stalled.discard(third)
    stalled.discard(third)
    assert stalled.bytes == 0
