"""``dcat trust``: decide about changes in followed catalogues."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document, Table
from cli.quantities import age_of

app = command_app()

ItemArgument = Annotated[str, typer.Argument(metavar="ITEM", help="What is to be decided, as dcat trust list shows it.")]


@app.callback()
def trust() -> None:
    """Decide about changes in catalogues that you follow.

    Changed contents, jumped sequences and successors of revoked catalogues wait here; nothing is decided without you. What is
    accepted is named as dcat trust list shows it, so that nothing else can be accepted.
    """


@app.command("list")
@command
def list_(context: Context) -> Document:
    """List what waits for a decision."""
    questions = operations.list_questions(context.home)
    rows = [
        (question.item, question.kind, question.text, age_of(question.seen, context.now) if question.seen else "")
        for question in questions
    ]
    raw = [(question.item, question.kind, question.text, question.seen) for question in questions]
    parts = [Table(("ITEM", "ABOUT", "WHAT", "SEEN"), rows, raw=raw)] if rows else ["Nothing waits for a decision"]
    closing = f"To decide: dcat trust accept {questions[0].item}, or: dcat trust refuse {questions[0].item}" if questions else ""
    return Document("trust", {"questions": [_body(q) for q in questions]}, [q.item for q in questions], parts, closing)


@app.command("accept")
@command
def accept(context: Context, item: ItemArgument) -> Document:
    """Accept the changed content, the jumped sequence or the successor."""

    return _decided(operations.accept(context.home, item))


@app.command("refuse")
@command
def refuse(context: Context, item: ItemArgument) -> Document:
    """Refuse it; the old content resolves again."""

    return _decided(operations.refuse(context.home, item))


def _decided(done: "operations.Decided") -> Document:
    word = "Accepted" if done.accepted else "Refused"
    lines = [f"{word}: {question.item}, {question.text}" for question in done.questions]
    body = {"accepted": done.accepted, "questions": [_body(question) for question in done.questions]}
    aliases = " ".join(dict.fromkeys(question.alias for question in done.questions))
    closing = f"To fetch it: dcat sync {aliases}" if done.needs_sync else ""
    return Document("trust", body, [question.item for question in done.questions], lines, closing)


def _body(question: "operations.Question") -> dict[str, object]:
    conflict = question.conflict
    return {
        "item": question.item,
        "kind": question.kind,
        "catalogue": question.catalogue,
        "alias": question.alias,
        "text": question.text,
        "seen": question.seen or None,
        "platform": None if conflict is None else str(conflict.platform),
        "old": None if conflict is None else str(conflict.old),
        "new": None if conflict is None else str(conflict.new),
        "sequence": None if question.record is None else question.record.sequence,
        "successor": None if question.successor is None else str(question.successor),
    }
