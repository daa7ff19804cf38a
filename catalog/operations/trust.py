"""``dcat trust``: the user's decisions about followed catalogues: changed contents, jumps of a sequence, successors.

A question is answered by its item: a reference, or the alias of the catalogue. Nothing is ever decided without the user.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from catalog.errors import AmbiguousReferenceError, CatalogueNotFoundError, NotFoundError, UnavailableError
from catalog.home.home import Home
from catalog.index.catalogue import CatalogueRow
from catalog.index.history import Change, add_changes
from catalog.index.subscriptions import get_catalogue, hide_catalogue
from catalog.index.update import IndexUpdate
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import Record, check_record
from catalog.model.reference import nearest
from catalog.model.release import format_time
from catalog.trust.contents import Conflict, decide_conflict, keep_contents, list_conflicts
from catalog.trust.ownership import Subscription, list_subscriptions, succeed
from catalog.trust.store import StoredFloor, get_floor, get_note, put_note, raise_floor, refuse_record

Kind = Literal["content", "jump", "successor"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the user. ``item`` is what it is answered by, ``text`` what it is about, ``seen`` when it came up, if known."""

    kind: Kind
    item: str
    catalogue: str
    alias: str
    text: str
    seen: str = ""
    conflict: Conflict | None = None
    record: Record | None = None
    successor: IpnsName | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The questions that were answered. ``needs_sync`` says that data which follows from the answer is not here yet."""

    questions: tuple[Question, ...]
    accepted: bool
    needs_sync: bool = False


def list_questions(home: Home) -> list[Question]:
    """Return the open questions, by catalogue in the order of subscription."""
    found: list[Question] = []
    with home.trust.read() as connection:
        for subscription in list_subscriptions(connection):
            for conflict in list_conflicts(connection, catalogue=subscription.catalogue):
                found.append(_about_content(subscription, conflict))
            stored = get_floor(connection, subscription.catalogue)
            if stored is not None:
                found += _about_record(connection, subscription, stored)
    return found


def accept(home: Home, item: str) -> Decided:
    """Accept the new content, the jumped sequence or the successor that an item is about; raise `NotFoundError` for none."""
    questions = _find(home, item)
    needs_sync = False
    for question in questions:
        if question.kind == "content":
            _accept_content(home, question)
        elif question.kind == "jump":
            _accept_jump(home, question)
        else:
            _accept_successor(home, question)
            needs_sync = True
    return Decided(questions, accepted=True, needs_sync=needs_sync)


def refuse(home: Home, item: str) -> Decided:
    """Refuse it: the old content stays and resolves again, data of the jump is dropped, the successor is not asked about again."""
    questions = _find(home, item)
    needs_sync = False
    for question in questions:
        if question.kind == "content":
            _refuse_content(home, question)
        elif question.kind == "jump":
            needs_sync = not _refuse_jump(home, question)
        else:
            with home.trust.write() as connection:
                put_note(connection, f"successor {question.catalogue}", "refused")
    return Decided(questions, accepted=False, needs_sync=needs_sync)


def _find(home: Home, item: str) -> tuple[Question, ...]:
    questions = list_questions(home)
    found = tuple(question for question in questions if item in (question.item, question.catalogue))
    if not found:
        found = tuple(question for question in questions if question.item == f"{question.alias}/{item}")
        if len({question.catalogue for question in found}) > 1:
            items = sorted({question.item for question in found})
            raise AmbiguousReferenceError(f'"{item}" is not clear', why=f"it may be {' or '.join(items)}", nearest=items)
    if found:
        return found
    items = sorted({question.item for question in questions})
    raise NotFoundError(
        f'nothing about "{item}" waits for a decision',
        why=f"open are {', '.join(items[:5])}" if items else "nothing does",
        nearest=nearest(item, items),
    )


def _about_content(subscription: Subscription, conflict: Conflict) -> Question:
    text = f"{conflict.platform}: {conflict.old} became {conflict.new}"
    item = f"{subscription.alias}/{conflict.name}@{conflict.version}"
    return Question("content", item, subscription.catalogue, subscription.alias, text, conflict.seen, conflict)


def _about_record(connection: Connection, subscription: Subscription, stored: StoredFloor) -> Sequence[Question]:
    name = parse_ipns_name(subscription.catalogue)
    alias = subscription.alias
    if stored.shown is not None and stored.shown_record is not None:
        record = check_record(name, stored.shown_record)
        text = f"its sequence jumped from {stored.floor.sequence} to {record.sequence}"
        return [Question("jump", alias, subscription.catalogue, alias, text, record=record)]
    if stored.floor.revoked and stored.record is not None:
        successor = check_record(name, stored.record).successor
        if successor is not None and get_note(connection, f"successor {subscription.catalogue}") is None:
            text = f"its owner gave it up; its successor is said to be {successor}"
            return [Question("successor", alias, subscription.catalogue, alias, text, successor=successor)]
    return []


def _accept_content(home: Home, question: Question) -> None:
    conflict = _conflict(question)
    releases = []
    with home.trust.read() as connection:
        others = [
            entry
            for entry in list_conflicts(connection, state=None, catalogue=question.catalogue)
            if entry.state != "accepted" and entry.conflict_id != conflict.conflict_id
        ]
    releases.append(keep_contents(conflict.release, others))
    change = _change(home, question, "accepted", conflict)

    def trust(connection: Connection) -> None:
        decide_conflict(connection, conflict.conflict_id, "accepted", home.time)

    home.commit(IndexUpdate(question.catalogue, releases=releases, changes=[change]), trust)


def _refuse_content(home: Home, question: Question) -> None:
    conflict = _conflict(question)

    def trust(connection: Connection) -> None:
        decide_conflict(connection, conflict.conflict_id, "refused", home.time)

    home.commit(IndexUpdate(question.catalogue, changes=[_change(home, question, "refused", conflict)]), trust)


def _accept_jump(home: Home, question: Question) -> None:
    from catalog.trust.decision import floor_of

    record = _record(question)

    def trust(connection: Connection) -> None:
        raise_floor(connection, question.catalogue, floor_of(record), record.encoded)

    home.commit(IndexUpdate(question.catalogue, changes=[_change(home, question, "accepted")]), trust)


def _refuse_jump(home: Home, question: Question) -> bool:
    """Go back to the snapshot of the floor's record; return whether it is here, else the next sync fetches it."""
    from catalog.trust.decision import floor_of

    refused = floor_of(_record(question))
    with home.trust.read() as connection:
        stored = get_floor(connection, question.catalogue)
    with home.index.read() as connection:
        row = get_catalogue(connection, question.catalogue)
    if stored is None or stored.record is None:
        raise CatalogueNotFoundError(f"nothing was accepted of {question.alias} before")
    row = _row_of(row, check_record(parse_ipns_name(question.catalogue), stored.record))

    def trust(connection: Connection) -> None:
        refuse_record(connection, question.catalogue, refused)

    try:
        update = IndexUpdate(question.catalogue, row=row, changes=[_change(home, question, "refused")], whole=True)
        home.commit(update, trust)
    except UnavailableError:
        return False
    return True


def _accept_successor(home: Home, question: Question) -> None:
    if question.successor is None:
        raise ValueError("a question about no successor")
    with home.trust.write() as connection:
        succeed(connection, question.catalogue, str(question.successor), home.time)
    with home.index.write() as connection:
        hide_catalogue(connection, question.catalogue)
        add_changes(connection, [_change(home, question, "accepted")])


def _row_of(row: CatalogueRow, record: Record) -> CatalogueRow:
    return replace(row, root=str(record.snapshot_cid), sequence=record.sequence, expires=format_time(record.expires))


def _change(home: Home, question: Question, kind: Literal["accepted", "refused"], conflict: Conflict | None = None) -> Change:
    detail = {"about": question.kind, "text": question.text}
    if conflict is None:
        return Change(question.catalogue, home.time, kind, detail=detail)
    return Change(question.catalogue, home.time, kind, conflict.name, conflict.version, str(conflict.platform), detail)


def _conflict(question: Question) -> Conflict:
    if question.conflict is None:
        raise ValueError("a question about no content")
    return question.conflict


def _record(question: Question) -> Record:
    if question.record is None:
        raise ValueError("a question about no record")
    return question.record
