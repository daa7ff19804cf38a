"""The README's table of commands, made from the commands themselves: ``python -m tests.cli.readme`` writes it anew."""

from typing import Any

from cli.app import build, load_verb
from cli.command import COMMON
from cli.verbs import SECTIONS
from tests.needs import ROOT

README = ROOT / "README.md"
START, END = "<!-- commands -->", "<!-- /commands -->"


def section() -> str:
    """Write what stands between the markers."""
    root = build()
    lines = []
    for title, verbs in SECTIONS.items():
        lines += [f"| {title} | |", "|---|---|"]
        for verb, summary in verbs.items():
            for words, command in leaves(verb):
                about = summary if words == verb else first_line(command)
                lines.append(f"| `dcat {words}{''.join(arguments(command))}` | {about}{''.join(options(command))} |")
        lines.append("")
    common = ", ".join(f"`{form(option)}`" for option in root.params if option.name in COMMON)
    lines.append(
        f"Every command also takes {common}; `dcat COMMAND --help` explains each, and `dcat --version` prints the version."
    )
    return "\n".join(lines)


def leaves(verb: str) -> list[tuple[str, Any]]:
    """Give the commands of a verb: itself, or those under it."""
    command = load_verb(verb)
    below = getattr(command, "commands", None)
    return [(f"{verb} {name}", inner) for name, inner in below.items()] if below else [(verb, command)]


def first_line(command: Any) -> str:
    return str(command.help).strip().split("\n", 1)[0]


def arguments(command: Any) -> list[str]:
    return [f" {parameter.make_metavar(None).replace('|', chr(92) + '|')}" for parameter in own(command, "argument")]


def options(command: Any) -> list[str]:
    return ["<br>", ", ".join(f"`{form(option)}`" for option in own(command, "option"))] if own(command, "option") else []


def own(command: Any, kind: str) -> list[Any]:
    return [
        parameter
        for parameter in command.params
        if parameter.param_type_name == kind and parameter.name not in {*COMMON, "help"} and not getattr(parameter, "hidden", False)
    ]


def form(option: Any) -> str:
    names = "/".join(sorted([*option.opts, *option.secondary_opts], key=len))
    value = "" if option.is_flag else " " + (option.metavar or option.type.name.upper())
    return (names + value).replace("|", "\\|")


def write() -> None:
    """Put the table between the README's markers, which are added at its end where they are missing."""
    text = README.read_text(encoding="utf-8")
    if START not in text:
        text += f"\n## Commands\n\n{START}\n{END}\n"
    before, rest = text.split(START, 1)
    README.write_text(f"{before}{START}\n{section()}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    write()
