"""The Typer app: the verbs of `cli.verbs`, each imported on use, and usage errors in dcat's own form."""

import importlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catalog.model.reference import nearest
from cli.command import (
    DebugOption,
    JsonOption,
    NoInputOption,
    ProgressOption,
    QuietOption,
    TimeoutOption,
    YesOption,
)
from cli.context import Options
from cli.exits import INTERRUPTED
from cli.failures import UsageError
from cli.output import Output
from cli.text import escape
from cli.verbs import FOREIGN, SECTIONS, VERBS, module_of

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# Typer does not export its parser's base error; it is the first base of the one that it does export.
PARSER_ERROR: type[Any] = typer.BadParameter.__mro__[1]


class Verbs(TyperGroup):
    """The root command; it lists its verbs without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        return load_verb(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise unknown_verb(args[0], args[1:])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(verb, summary.rstrip(".")) for verb, summary in verbs.items()])


def _print_version(wanted: bool) -> None:
    if wanted:
        from cli.version import show_version

        show_version()
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=SETTINGS,
    epilog="First use: dcat publish NAME VERSION.  More: dcat help environment, dcat help references, dcat COMMAND --help.",
)


@app.callback()
def root(
    context: typer.Context,
    json: JsonOption = False,
    quiet: QuietOption = False,
    no_input: NoInputOption = False,
    yes: YesOption = False,
    progress: ProgressOption = "auto",
    timeout: TimeoutOption = None,
    debug: DebugOption = False,
    _version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """A catalogue of Docker images on IPFS: publish, resolve and pull them by name, every byte verified."""
    context.obj = Options(json, quiet, no_input, yes, progress, timeout, debug)


def load_verb(verb: str) -> Any:
    """Import a verb's module and return its command."""
    module = importlib.import_module(module_of(verb))
    command = typer.main.get_command(module.app)
    command.name = verb
    command.context_settings = {**SETTINGS, **command.context_settings}
    return command


def build() -> Any:
    """Return the root command."""
    return typer.main.get_command(app)


def run(arguments: Sequence[str]) -> int:
    """Parse and run a command line; return its exit code. Usage errors are raised as `UsageError`."""
    try:
        status = build().main(args=list(arguments), prog_name="dcat", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except PARSER_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            Output().print_text(error.format_message())
            return 0
        raise _usage_error(error) from error
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    return int(status or 0)


def unknown_verb(verb: str, rest: Sequence[str]) -> UsageError:
    """Return the error for an unknown verb, with dcat's verb for the same thing or with the nearest one."""
    message = f'dcat has no command "{escape(verb)}"'
    if verb in FOREIGN:
        from cli.foreign import answer_foreign

        return answer_foreign(verb, rest, accepts)
    near = nearest(verb, VERBS)
    return UsageError(message, why=f'the nearest is "{near[0]}"' if near else "", hint="dcat --help", nearest=near)


def accepts(words: Sequence[str]) -> bool:
    """Return whether the parser accepts a command line; nothing is run."""
    if words == ["--version"]:
        return True
    try:
        command = load_verb(words[0])
        command.make_context(words[0], list(words[1:]))
    except (PARSER_ERROR, typer.Exit):
        return False
    return True


def _usage_error(error: Any) -> UsageError:
    context = error.ctx
    path = context.command_path if context is not None else "dcat"
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=f"{path} --help")


def help_of(verb: str = "") -> str:
    """Return the help text of a verb, or of dcat."""
    root_command = build()
    root_context = root_command.make_context("dcat", [], resilient_parsing=True)
    if not verb:
        return str(root_command.get_help(root_context)).rstrip()
    verb_command = load_verb(verb)
    return str(verb_command.get_help(verb_command.make_context(verb, [], parent=root_context, resilient_parsing=True))).rstrip()


def options_of(words: Sequence[str]) -> list[str]:
    """Return the long options of the command that ``words`` begin with, or of dcat."""
    command = load_verb(words[0]) if words and words[0] in VERBS else build()
    if len(words) > 1:
        command = getattr(command, "commands", {}).get(words[1], command)
    return sorted({option for parameter in command.params for option in parameter.opts if option.startswith("--")} | {"--help"})
