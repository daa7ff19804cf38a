"""Decisions about followed catalogues that wait for the user: changed contents, withheld snapshots, sequence jumps, successors.

Each question has an item that names what it is about and exactly what would be accepted: ``bob/web@1.0=TOKEN``. Whatever changes
between listing and accepting changes the item, so that nothing is accepted that was not shown (docs/safety.md, A20).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, NotFoundError
from catalog.followed.undoing import row_as_of, show_accepted
from catalog.home.home import Home
from catalog.index.history import Change, add_changes
from catalog.index.subscriptions import get_catalogue, hide_catalogue
from catalog.index.update import IndexUpdate
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record, check_record
from catalog.model.reference import nearest
from catalog.trust.conflicts import Conflict, describe_change, keep_contents, list_conflicts, refuse_conflict
from catalog.trust.content import content_of
from catalog.trust.contents import accept_conflict
from catalog.trust.decision import Floor, floor_of
from catalog.trust.ownership import Subscription, check_successor, list_subscriptions, succeed
from catalog.trust.provisional import drop_provisional, keep_provisional
from catalog.trust.store import StoredFloor, get_floor, get_note, put_note, raise_floor, refuse_record
from catalog.trust.withheld import Withheld, decide_withheld, get_withheld

_T = TypeVar("_T")
Kind = Literal["content", "snapshot", "jump", "successor"]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to decide: ``subject`` names it, ``token`` what would be accepted, ``text`` describes it.

    ``seen`` is when it came up, where that is known.
    """

    kind: Kind
    subject: str
    token: str
    catalogue: str
    alias: str
    text: str
    seen: str = ""
    conflict: Conflict | None = None
    withheld: Withheld | None = None
    record: Record | None = None
    successor: IpnsName | None = None

    @property
    def item(self) -> str:
        """What the question is answered by."""
        return f"{self.subject}={self.token}"


@dataclass(frozen=True, slots=True)
class Decided:
    """The questions that were answered. ``needs_sync`` says that data which follows from the answer is not here yet."""

    questions: tuple[Question, ...]
    accepted: bool
    needs_sync: bool = False


def list_questions(home: Home) -> list[Question]:
    """Return all open questions, by catalogue in the order of subscription."""
    found: list[Question] = []
    with home.trust.read() as connection:
        for subscription in list_subscriptions(connection):
            for conflict in list_conflicts(connection, catalogue=subscription.catalogue):
                found.append(_about_content(subscription, conflict))
            withheld = get_withheld(connection, subscription.catalogue)
            if withheld is not None and withheld.state == "open":
                found.append(_about_snapshot(subscription, withheld))
            stored = get_floor(connection, subscription.catalogue)
            if stored is not None:
                found += _about_record(connection, subscription, stored)
    return found


def accept(home: Home, item: str) -> Decided:
    """Accept what an item is about, which must be written as `list_questions` has it now.

    Raise `NotFoundError` where no such question is open, `AmbiguousReferenceError` for an item without its token, and for a
    successor that cannot be followed.
    """
    with home.lock("sync"):
        question = _find_exactly(home, item)
        if question.kind == "content":
            _accept_content(home, question)
        elif question.kind == "snapshot":
            _decide_snapshot(home, question, "accepted")
        elif question.kind == "jump":
            _accept_jump(home, question)
        else:
            _accept_successor(home, question)
    return Decided((question,), accepted=True, needs_sync=question.kind in ("snapshot", "successor"))


def refuse(home: Home, item: str) -> Decided:
    """Refuse: the old content stays and resolves again, the data of a jump goes, a successor is not asked about any more.

    An item without its token refuses everything that is open about its subject.
    """
    needs_sync = False
    with home.lock("sync"):
        questions = _find(home, item)
        for question in questions:
            if question.kind == "content":
                _refuse_content(home, question)
            elif question.kind == "snapshot":
                _decide_snapshot(home, question, "refused")
            elif question.kind == "jump":
                needs_sync = not _refuse_jump(home, question)
            else:
                with home.trust.write() as connection:
                    put_note(connection, f"successor {question.catalogue}", "refused")
    return Decided(questions, accepted=False, needs_sync=needs_sync)


def _find_exactly(home: Home, item: str) -> Question:
    questions = _find(home, item)
    if item != questions[0].item:
        items = [question.item for question in questions]
        raise AmbiguousReferenceError(
            f'"{item}" does not say what is accepted',
            why=f"{questions[0].text}; what is accepted is named as it is listed",
            nearest=items,
        )
    return questions[0]


def _find(home: Home, item: str) -> tuple[Question, ...]:
    questions = list_questions(home)
    found = tuple(question for question in questions if item in (question.item, question.subject, question.catalogue))
    if not found:
        found = tuple(question for question in questions if question.subject == f"{question.alias}/{item}")
        if len({question.catalogue for question in found}) > 1:
            subjects = sorted({question.subject for question in found})
            raise AmbiguousReferenceError(f'"{item}" is not clear', why=f"it may be {' or '.join(subjects)}", nearest=subjects)
    if found:
        return found
    subject, equals, _ = item.partition("=")
    changed = [question.item for question in questions if question.subject == subject]
    if equals and changed:
        raise NotFoundError(f'"{item}" does not wait for a decision', why="it changed since it was listed", nearest=changed)
    items = sorted({question.item for question in questions})
    raise NotFoundError(
        f'nothing about "{item}" waits for a decision',
        why=f"open are {', '.join(items[:5])}" if items else "nothing does",
        nearest=nearest(item, items),
    )


def _about_content(subscription: Subscription, conflict: Conflict) -> Question:
    text = f"{conflict.platform}: {describe_change(conflict)}"
    subject = f"{subscription.alias}/{conflict.name}@{conflict.version}"
    content = content_of(conflict.image)
    whole = (str(conflict.platform), content.config.hex(), content.format, conflict.image.archive, conflict.image.manifest)
    token = hashlib.sha256(" ".join(map(str, whole)).encode()).hexdigest()
    return Question("content", subject, token, subscription.catalogue, subscription.alias, text, conflict.seen, conflict)


def _about_snapshot(subscription: Subscription, withheld: Withheld) -> Question:
    alias = subscription.alias
    text = f"its snapshot of sequence {withheld.floor.sequence} changes the contents of so many releases that it was not taken"
    token = _token_of(withheld.floor)
    return Question("snapshot", alias, token, subscription.catalogue, alias, text, withheld.seen, withheld=withheld)


def _about_record(connection: Connection, subscription: Subscription, stored: StoredFloor) -> Sequence[Question]:
    name = parse_ipns_name(subscription.catalogue)
    alias = subscription.alias
    if stored.shown is not None and stored.shown_record is not None:
        record = check_record(name, stored.shown_record)
        text = f"its sequence jumped from {stored.floor.sequence} to {record.sequence}"
        return [Question("jump", alias, _token_of(stored.shown), subscription.catalogue, alias, text, record=record)]
    if stored.floor.revoked and stored.record is not None:
        successor = check_record(name, stored.record).successor
        if successor is not None and get_note(connection, f"successor {subscription.catalogue}") is None:
            text = f"its owner gave it up; its successor is said to be {successor}"
            token = str(successor)
            return [Question("successor", alias, token, subscription.catalogue, alias, text, successor=successor)]
    return []


def _token_of(floor: Floor) -> str:
    """Return sequence and snapshot of a record."""
    return f"{floor.sequence}:{floor.value.decode('ascii', 'backslashreplace').removeprefix('/ipfs/')}"


def _accept_content(home: Home, question: Question) -> None:
    """Show the release as it is now, with the accepted content; other platforms in conflict stay as they were."""
    conflict = _needed(question.conflict)
    with home.trust.read() as connection:
        waiting = list_conflicts(connection, state=None, catalogue=question.catalogue)
    others = [entry for entry in waiting if (entry.key, entry.platform) != (conflict.key, conflict.platform)]
    release = keep_contents(conflict.release, others)
    change = _change(home, question, "accepted")

    def trust(connection: Connection) -> None:
        accept_conflict(connection, conflict, conflict.release)

    home.commit(IndexUpdate(question.catalogue, releases=[release], changes=[change]), trust)


def _refuse_content(home: Home, question: Question) -> None:
    conflict = _needed(question.conflict)

    def trust(connection: Connection) -> None:
        refuse_conflict(connection, conflict, home.time)

    home.commit(IndexUpdate(question.catalogue, changes=[_change(home, question, "refused")]), trust)


def _decide_snapshot(home: Home, question: Question, state: Literal["accepted", "refused"]) -> None:
    """Note the decision; an accepted snapshot is taken by the next sync, with all its contents."""
    withheld = _needed(question.withheld)

    def trust(connection: Connection) -> None:
        if not decide_withheld(connection, question.catalogue, withheld.floor, state):
            raise NotFoundError(f'"{question.item}" does not wait for a decision any more')

    home.commit(IndexUpdate(question.catalogue, changes=[_change(home, question, state)]), trust)


def _accept_jump(home: Home, question: Question) -> None:
    record = _needed(question.record)

    def trust(connection: Connection) -> None:
        raise_floor(connection, question.catalogue, floor_of(record), record.encoded)
        keep_provisional(connection, question.catalogue)

    home.commit(IndexUpdate(question.catalogue, changes=[_change(home, question, "accepted")]), trust)


def _refuse_jump(home: Home, question: Question) -> bool:
    """Show the snapshot of the floor's record again; return whether it is here, else the next sync brings it."""
    refused = floor_of(_needed(question.record))
    with home.trust.read() as connection:
        stored = get_floor(connection, question.catalogue)
    with home.index.read() as connection:
        row = get_catalogue(connection, question.catalogue)
    if stored is None or stored.record is None:
        raise CatalogueNotFoundError(f"nothing was accepted of {question.alias} before")
    accepted = check_record(parse_ipns_name(question.catalogue), stored.record)

    def trust(connection: Connection) -> None:
        refuse_record(connection, question.catalogue, refused)
        drop_provisional(connection, question.catalogue)

    return show_accepted(home, row_as_of(row, accepted), accepted, trust, [_change(home, question, "refused")])


def _accept_successor(home: Home, question: Question) -> None:
    successor = str(_needed(question.successor))
    with home.trust.read() as connection:
        check_successor(connection, question.catalogue, successor)
    with home.trust.write() as connection:
        succeed(connection, question.catalogue, successor, home.time)
    with home.index.write() as connection:
        hide_catalogue(connection, question.catalogue)
        add_changes(connection, [_change(home, question, "accepted")])


def _change(home: Home, question: Question, kind: Literal["accepted", "refused"]) -> Change:
    detail = {"about": question.kind, "text": question.text}
    conflict = question.conflict
    if conflict is None:
        return Change(question.catalogue, home.time, kind, detail=detail)
    return Change(question.catalogue, home.time, kind, conflict.name, conflict.version, str(conflict.platform), detail)


def _needed(value: _T | None) -> _T:
    if value is None:
        raise ValueError("the question has nothing of the kind it is about")
    return value
