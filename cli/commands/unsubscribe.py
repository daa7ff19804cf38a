"""``dcat unsubscribe``: stop following a catalogue."""

from typing import Annotated

import typer

from catalog import operations
from cli.command import command, command_app
from cli.context import Context
from cli.output import Document

app = command_app()

AliasArgument = Annotated[str, typer.Argument(metavar="ALIAS", help="Its alias, or its IPNS name.")]


@app.command()
@command
def unsubscribe(context: Context, alias: AliasArgument) -> Document:
    """Stop following a catalogue; what was pulled stays.

    Its alias and its names stay reserved for it, so that no reference changes its meaning.
    """
    subscription = operations.unsubscribe(context.home, alias).subscription
    body = {"catalogue": subscription.catalogue, "alias": subscription.alias, "since": subscription.since}
    again = f"To follow it again: dcat subscribe {subscription.alias} {subscription.catalogue}"
    return Document("unsubscribe", body, [subscription.catalogue], [f"No longer following {subscription.alias}"], again)
