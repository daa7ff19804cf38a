"""YAML as a tree that knows where each scalar stands in the text; nothing is constructed and no tag is obeyed.

Made of the events of PyYAML's parser, so an alias is the node that it names and not a copy of it: what a bomb of aliases stands for
is never written out. Whoever walks the tree visits a node once.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from catalog.deployment.mention import Slot
from catalog.errors import InvalidInputError
from catalog.limits import MAX_YAML_DEPTH, MAX_YAML_MERGES, MAX_YAML_NODES

_PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)*")
_MERGE = "<<"


@dataclass(eq=False, slots=True)
class Scalar:
    """A scalar. ``start`` and ``stop`` are the place of its text, without quotes; one over several lines has none."""

    text: str
    start: int
    stop: int

    @property
    def is_inline(self) -> bool:
        """Whether its text stands on one line and can be replaced there."""
        return self.stop > self.start


@dataclass(eq=False, slots=True)
class _Merges:
    """How many mappings may still be looked into for merge keys, of one text: a few lines can name each other by the million."""

    left: int = MAX_YAML_MERGES

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise InvalidInputError("the file is too large", why=f"its merge keys lead to more than {MAX_YAML_MERGES} mappings")


@dataclass(eq=False, slots=True)
class Mapping:
    """A mapping, its pairs in order; ``is_flow``: in braces."""

    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    is_flow: bool = False
    merges: _Merges = field(default_factory=_Merges)


@dataclass(eq=False, slots=True)
class Sequence:
    """A sequence."""

    items: list["Node"] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


def parse_documents(text: str) -> list[Node]:
    """Return the documents of a YAML stream, without empty ones; raise `InvalidInputError`."""
    try:
        return list(_build(text))
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())[:300]
        raise InvalidInputError("this is not YAML", why=why) from error
    except (ValueError, OverflowError) as error:  # which PyYAML converts unchecked
        raise InvalidInputError("this is not YAML", why="an escaped character or a version number is out of range") from error


def _build(text: str) -> Iterator[Node]:
    anchors: dict[str, Node] = {}
    stack: list[Mapping | Sequence] = []
    keys: list[Node | None] = []  # of each open mapping the key that waits for its value
    root: Node | None = None
    merges = _Merges()
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        match event:
            case yaml.DocumentStartEvent():
                anchors, root = {}, None
                continue
            case yaml.DocumentEndEvent():
                if root is not None and not (isinstance(root, Scalar) and not root.text):
                    yield root
                continue
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                stack.pop()
                keys.pop()
                continue
            case yaml.AliasEvent():
                if event.anchor not in anchors:
                    raise InvalidInputError(
                        "this is not YAML", why=f'the alias "*{str(event.anchor)[:60]}" names nothing before it'
                    )
                node = anchors[event.anchor]
            case yaml.ScalarEvent():
                node = _scalar(text, event)
            case yaml.MappingStartEvent():
                node = Mapping(is_flow=bool(event.flow_style), merges=merges)
            case yaml.SequenceStartEvent():
                node = Sequence()
            case _:
                continue
        count += 1
        if count > MAX_YAML_NODES:
            raise InvalidInputError("the file is too large", why=f"it has more than {MAX_YAML_NODES} nodes")
        if not isinstance(event, yaml.AliasEvent) and event.anchor:
            anchors[event.anchor] = node
        if not stack:
            root = node
        elif isinstance(parent := stack[-1], Sequence):
            parent.items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            parent.pairs.append((key, node))
            keys[-1] = None
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            assert not isinstance(node, Scalar)
            stack.append(node)
            keys.append(None)
            if len(stack) > MAX_YAML_DEPTH:
                raise InvalidInputError("the file is nested too deeply", why=f"more than {MAX_YAML_DEPTH} levels")


def _scalar(text: str, event: yaml.ScalarEvent) -> Scalar:
    style = event.style or ""
    assert event.start_mark is not None
    assert event.end_mark is not None
    if style not in ("", "'", '"'):
        return Scalar(event.value, 0, 0)
    written = _PROPERTIES.match(text, event.start_mark.index, event.end_mark.index)
    start = written.end() if written else event.start_mark.index
    stop = event.end_mark.index
    if style:
        return Scalar(event.value, start + 1, stop - 1)
    if text[start:stop] != event.value:  # over several lines
        return Scalar(event.value, 0, 0)
    return Scalar(event.value, start, stop)


def get(node: Node | None, key: str) -> Node | None:
    """Return the value of a key, also one that a merge key (``<<``) brings; None where there is none."""
    for mapping in _merged(node):
        values = [value for name, value in mapping.pairs if isinstance(name, Scalar) and name.text == key]
        if values:
            return values[-1]  # the last of several, as most readers take it
    return None


def _merged(node: Node | None) -> Iterator[Mapping]:
    """Yield a mapping and those that its merge keys bring, nearest first and each once; raise `InvalidInputError` for too many."""
    seen: set[int] = set()
    waiting = deque([node])
    while waiting:
        now = waiting.popleft()
        if not isinstance(now, Mapping) or id(now) in seen:
            continue
        if seen:
            now.merges.spend()
        seen.add(id(now))
        yield now
        merged: list[Node | None] = []
        for name, value in now.pairs:
            if isinstance(name, Scalar) and name.text == _MERGE:
                merged += value.items if isinstance(value, Sequence) else [value]
        waiting.extendleft(reversed(merged))


def get_text(node: Node | None, key: str) -> str:
    """Return the text of a scalar under a key; empty where there is none."""
    found = get(node, key)
    return found.text if isinstance(found, Scalar) else ""


def items_of(node: Node | None) -> list[Node]:
    """Return the items of a sequence; none of anything else."""
    return node.items if isinstance(node, Sequence) else []


def pairs_of(node: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield the pairs of a mapping whose keys are text, those that merge keys bring in their place."""
    seen: set[str] = set()
    for mapping in _merged(node):
        pairs = [(key.text, value) for key, value in mapping.pairs if isinstance(key, Scalar) and key.text not in seen]
        yield from (pair for pair in pairs if pair[0] != _MERGE)
        seen.update(key for key, _ in pairs)


def slots_of(scalar: Scalar) -> tuple[Slot, ...]:
    """Return the place of a scalar that names an image; none where it stands on several lines."""
    return (Slot(scalar.start, scalar.stop),) if scalar.is_inline else ()
