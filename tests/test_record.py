"""Records against `dataclasses`: whoever uses one cannot tell the difference."""

import copy
import dataclasses
import pickle
from collections.abc import Mapping

import pytest

from catalog.record import field, record


@record(frozen=True, slots=True, order=True)
class Point:
    """A point."""

    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Twin:
    x: int
    y: int = 2


@record(frozen=True, slots=True)
class Named:
    name: str
    extra: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")


def test_fields_are_given_by_place_and_by_name() -> None:
    assert (Point(1).x, Point(1).y, Point(y=4, x=3).sum) == (1, 2, 7)
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1, z=2)  # type: ignore[call-arg]


def test_records_compare_and_hash_by_their_fields() -> None:
    assert Point(1) == Point(1, 2) != Point(1, 3)
    assert Point(1) != Twin(1)  # type: ignore[comparison-overlap]
    assert len({Point(1), Point(1), Point(2)}) == 2
    assert sorted([Point(2), Point(1, 9), Point(1)]) == [Point(1), Point(1, 9), Point(2)]
    assert Point(1) <= Point(1) >= Point(1)
    assert Point(2) > Point(1)
    with pytest.raises(TypeError):
        Named("a") < Named("b")  # type: ignore[operator]  # noqa: B015


def test_a_record_cannot_change() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.other = 2  # type: ignore[attr-defined]
    assert not hasattr(point, "__dict__")


def test_a_default_is_made_for_each_record() -> None:
    assert Named("a").extra == {}
    assert Named("a").extra is not Named("a").extra
    assert Named("a", {"b": 1}) == Named(name="a", extra={"b": 1})


def test_a_record_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="no name"):
        Named("")


def test_dataclasses_knows_records() -> None:
    assert dataclasses.is_dataclass(Point)
    assert [(entry.name, entry.default) for entry in dataclasses.fields(Point)] == [
        (entry.name, entry.default) for entry in dataclasses.fields(Twin)
    ]
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.asdict(Named("a", {"b": 1})) == {"name": "a", "extra": {"b": 1}}


def test_records_are_shown_copied_and_pickled() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert copy.copy(Point(1)) == Point(1) == copy.deepcopy(Point(1)) == pickle.loads(pickle.dumps(Point(1)))
    match Point(1, 3):
        case Point(x, y):
            assert (x, y) == (1, 3)


def test_only_frozen_records_with_slots_are_made() -> None:
    with pytest.raises(TypeError):
        record(frozen=False, slots=True)
