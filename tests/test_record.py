"""Records against `dataclasses`: whoever uses one cannot tell the difference."""

import copy
import dataclasses
import operator
import pickle
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    with pytest.raises(FrozenInstanceError):
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


_NAMES = st.lists(st.sampled_from(["a", "b", "c", "self_", "values", "named", "x1"]), min_size=1, max_size=5, unique=True)
_DEFAULTS = st.one_of(st.integers(-2, 2), st.text("ab", max_size=2))
_VALUES = st.one_of(_DEFAULTS, st.lists(st.integers(0, 1), max_size=2))
_CALLS = st.tuples(st.lists(_VALUES, max_size=6), st.dictionaries(st.sampled_from(["a", "b", "c", "values", "other"]), _VALUES))
_COMPARISONS: list[Callable[[Any, Any], bool]] = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@st.composite
def alike(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a record and a dataclass with the same fields, defaults and order."""
    names = draw(_NAMES)
    order = draw(st.booleans())
    defaults = {name: draw(_DEFAULTS) for name in names[draw(st.integers(0, len(names))) :]}
    made_anew = draw(st.sets(st.sampled_from(sorted(defaults)))) if defaults else set()

    def write(make_field: Callable[..., object]) -> type:
        given = {name: make_field(default_factory=list) if name in made_anew else value for name, value in defaults.items()}
        return type("Made", (), {"__annotations__": dict.fromkeys(names, object), "__module__": __name__, **given})

    made: Any = record(frozen=True, slots=True, order=order)(write(field))
    return made, dataclasses.dataclass(frozen=True, slots=True, order=order)(write(dataclasses.field))


def outcome(call: Callable[..., Any], *values: object, **named: object) -> Any:
    """Return what a call returns, or the type of its error."""
    try:
        return call(*values, **named)
    except (TypeError, FrozenInstanceError) as error:
        return type(error)


@settings(max_examples=50)
@given(alike(), st.lists(_CALLS, min_size=1, max_size=6))
def test_a_record_is_a_dataclass_to_whoever_uses_it(
    classes: tuple[Any, Any], calls: list[tuple[list[object], dict[str, object]]]
) -> None:
    mine, theirs = classes
    assert mine.__match_args__ == theirs.__match_args__
    assert [(entry.name, entry.type) for entry in fields(mine)] == [(entry.name, entry.type) for entry in fields(theirs)]
    pairs = []
    for values, named in calls:
        one, twin = outcome(mine, *values, **named), outcome(theirs, *values, **named)
        assert repr(one) == repr(twin)
        if one is not TypeError:
            pairs.append((one, twin))
    for one, twin in pairs:
        assert dataclasses.astuple(one) == dataclasses.astuple(twin)
        assert (outcome(hash, one) is TypeError) == (outcome(hash, twin) is TypeError)
        for name in mine.__match_args__:
            assert outcome(setattr, one, name, 1) is outcome(setattr, twin, name, 1) is FrozenInstanceError
            assert outcome(delattr, one, name) is outcome(delattr, twin, name) is FrozenInstanceError
        for other, other_twin in pairs:
            assert one != other or outcome(hash, one) == outcome(hash, other)
            for compare in _COMPARISONS:
                assert outcome(compare, one, other) == outcome(compare, twin, other_twin)


def test_the_first_records_of_a_class_and_the_later_ones_are_made_alike() -> None:
    """The ``__init__`` of a class is compiled after a while."""

    @record(frozen=True, slots=True)
    class Late:
        x: int
        y: int = 2
        extra: Mapping[str, int] = field(default_factory=dict)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("negative")

    made = [[Late(1), Late(y=3, x=1), Late(1, 2, {"a": 1})] for _ in range(100)]
    assert all(entry == made[0] for entry in made)
    assert len({id(entry[0].extra) for entry in made}) == 100
    with pytest.raises(ValueError, match="negative"):
        Late(-1)


def test_a_wrong_call_says_what_is_wrong() -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            Point()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            Point(1, z=2)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="multiple values for argument 'x'"):
            Point(1, x=2)  # type: ignore[misc]
        with pytest.raises(TypeError, match="takes from 2 to 3 positional arguments but 4 were given"):
            Point(1, 2, 3)  # type: ignore[call-arg]
