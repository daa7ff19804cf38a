"""The frame around every command: the common options, the context, and the document that is shown.

A command's module holds ``app = command_app()`` and functions under ``@app.command()`` and ``@command``: the function takes a
`Context` first, then its own arguments, and returns a `Document` (or None, where it wrote the output itself).
"""

import inspect
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cli.context import Context, Options, limit_time, make_context
from cli.failures import UsageError
from cli.output import Document
from cli.progress import open_progress

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, errors included.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print identifiers only.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never prompt.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
ProgressOption = Annotated[str, typer.Option("--progress", metavar="auto|plain|json|none", help="How to show progress.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="Stop with exit code 12 after this time.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and how images are taken.")]

COMMON: dict[str, tuple[Any, Any]] = {
    "json": (JsonOption, False),
    "quiet": (QuietOption, False),
    "no_input": (NoInputOption, False),
    "yes": (YesOption, False),
    "progress": (ProgressOption, "auto"),
    "timeout": (TimeoutOption, None),
    "debug": (DebugOption, False),
}


class Command(TyperCommand):
    """A command that does not take an option for the value of another: ``--catalogue -o FILE`` lacks the catalogue."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        values = {name: option for option in self.params if not getattr(option, "is_flag", True) for name in option.opts}
        names = {name for option in self.params if option.param_type_name == "option" for name in option.opts}
        typed = args[: args.index("--")] if "--" in args else args
        for word, following in pairwise(typed):
            if word in values and following in names:
                metavar = str(values[word].metavar or "a value").replace("|", " or ")
                raise UsageError(f"{word} wants {metavar}", why=f"{following} is an option", hint=f"{ctx.command_path} --help")
        return list(super().parse_args(ctx, args))


class VerbApp(typer.Typer):
    """The Typer app of one verb's module."""

    def command(self, name: str | None = None, *, cls: type[TyperCommand] | None = Command, **settings: Any) -> Any:
        """Register a command."""
        return super().command(name, cls=cls, **settings)


def command_app() -> typer.Typer:
    """Make the Typer app of one verb's module."""
    return VerbApp(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=False)


def command(function: Callable[..., Document | None] | None = None, *, long: bool = False) -> Callable[..., Any]:
    """Add the common options to a command and show its document; ``long`` commands show progress and stream JSON lines."""
    if function is None:
        return lambda inner: command(inner, long=long)
    inner = function

    def run(typer_context: typer.Context, **values: Any) -> None:
        own = Options(**{name: values.pop(name) for name in COMMON})
        outer = typer_context.find_root().obj
        run_command(lambda context: inner(context, **values), own.over(outer) if outer else own, long=long)

    own_parameters = list(inspect.signature(inner, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("typer_context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
            *(parameter.replace(kind=keyword) for parameter in own_parameters),
            *(inspect.Parameter(name, keyword, default=default, annotation=kind) for name, (kind, default) in COMMON.items()),
        ]
    )
    run.__annotations__ = {}
    run.__doc__ = inner.__doc__
    run.__name__ = inner.__name__
    return run


def run_command(function: Callable[[Context], Document | None], options: Options, *, long: bool = False) -> None:
    """Run a command in a new context and show its document."""
    variables = os.environ
    seconds = options.timeout if options.timeout is not None else _seconds(variables.get("DCAT_TIMEOUT", ""))
    if seconds is not None and seconds <= 0:
        raise UsageError("the time limit must be more than 0 seconds")
    with limit_time(seconds):
        with open_progress(options if long else None) as progress:
            context = make_context(options, variables, progress=progress, long=long)
            try:
                document = function(context)
            finally:
                context.close()
        if document is not None:
            context.show(document)


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f'DCAT_TIMEOUT: "{text}" is not a number of seconds') from None
