"""``dcat help``: explain a command or a topic."""

from typing import Annotated

import typer

from catalog.model.reference import nearest
from cli.app import help_of
from cli.command import command, command_app
from cli.context import Context
from cli.failures import UsageError
from cli.output import Document
from cli.topics import TOPICS
from cli.verbs import VERBS

app = command_app()


@app.command()
@command
def help_(
    context: Context,
    subject: Annotated[str, typer.Argument(metavar="[COMMAND|TOPIC]", help="A command, or one of the topics.")] = "",
) -> Document | None:
    """Explain a command or a topic.

    Topics: environment, references, exit-codes, settings.
    """
    if subject in TOPICS:
        return Document("help", {"topic": subject, "text": TOPICS[subject]}, [subject], [TOPICS[subject]])
    if subject and subject not in VERBS:
        near = nearest(subject, [*VERBS, *TOPICS])
        raise UsageError(
            f'there is no help for "{subject}"', why="topics are " + ", ".join(TOPICS), hint="dcat --help", nearest=near
        )
    text = help_of(subject)
    if context.options.json:
        return Document("help", {"topic": subject or "dcat", "text": text})
    return Document("help", {}, parts=[text])
