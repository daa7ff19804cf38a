"""What pages keep is bounded by its size, however large single answers are."""

from catalog.server.pages.visit import Memory


def test_the_last_used_answers_are_kept_within_a_size() -> None:
    memory, made = Memory(100), []

    def get(key: str, size: int, state: int = 0) -> str:
        return memory.get(key, state, lambda: made.append(key) or key.upper(), lambda _: size)  # type: ignore[func-returns-value]

    for key in "abab":
        assert get(key, 40) == key.upper()
    assert (made, memory.bytes) == (["a", "b"], 80)
    get("a", 40)
    get("c", 40)  # and b goes
    get("a", 40)
    get("b", 40)
    assert (made, memory.bytes) == (["a", "b", "c", "b"], 80)
    get("huge", 1000)  # alone it may be larger than all together
    assert memory.bytes == 1000
    get("a", 40)
    get("a", 60, state=1)
    assert (made[-2:], memory.bytes) == (["a", "a"], 60)
