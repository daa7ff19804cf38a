"""The reference, made from the commands themselves: docs/commands.md and the manual pages (``make docs`` writes them)."""

import re
from typing import Any

from cli.app import build, load_verb
from cli.command import COMMON
from cli.topics import TOPICS
from cli.verbs import SECTIONS, VERBS
from tests.needs import ROOT

COMMANDS = ROOT / "docs" / "commands.md"
MANUAL = ROOT / "docs" / "man"


def pages() -> dict[str, str]:
    """Return the text of every generated file, by its path in the repository."""
    manual = {"dcat.1": root_page()} | {f"dcat-{verb}.1": verb_page(verb) for verb in VERBS}
    return {"docs/commands.md": commands()} | {f"docs/man/{name}": text for name, text in manual.items()}


def write() -> None:
    """Write every generated file, and remove pages of commands that are gone."""
    MANUAL.mkdir(parents=True, exist_ok=True)
    for old in MANUAL.iterdir():
        old.unlink()
    for name, text in pages().items():
        (ROOT / name).write_text(text, encoding="utf-8")


# What both forms are made of.


def leaves(verb: str) -> list[tuple[str, Any]]:
    """Return the commands of a verb: itself, or those under it."""
    command = load_verb(verb)
    below = getattr(command, "commands", None)
    return [(f"{verb} {name}", inner) for name, inner in below.items()] if below else [(verb, command)]


def paragraphs(command: Any) -> list[str]:
    """Return the paragraphs of a command's description; the first is its summary."""
    return [" ".join(part.split()) for part in str(command.help).strip().split("\n\n")]


def own(command: Any, kind: str) -> list[Any]:
    """Return a command's own parameters of a kind, ``option`` or ``argument``."""
    return [
        parameter
        for parameter in command.params
        if parameter.param_type_name == kind and parameter.name not in {*COMMON, "help"} and not getattr(parameter, "hidden", False)
    ]


def common() -> list[Any]:
    """Return the options that every command takes."""
    return [option for option in build().params if option.name in COMMON]


def usage(words: str, command: Any) -> str:
    """Return the usage line of a command."""
    return " ".join([f"dcat {words}", "[OPTIONS]", *(metavar(argument) for argument in own(command, "argument"))])


def metavar(argument: Any) -> str:
    """Return how an argument is written in the usage line."""
    return str(argument.make_metavar(None))


def names_of(option: Any) -> list[str]:
    """Return the names of an option, short before long."""
    return sorted([*option.opts, *option.secondary_opts], key=len)


def value_of(option: Any) -> str:
    """Return the placeholder of an option's value; empty for a switch."""
    return "" if option.is_flag else option.metavar or option.type.name.upper()


# docs/commands.md


def commands() -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "Generated from the commands by `make docs`; the same text is in `dcat COMMAND --help` and in the manual pages (`man/`).",
        "",
    ]
    for title, verbs in SECTIONS.items():
        lines += [f"| {title} | |", "|---|---|"]
        lines += [f"| [`dcat {verb}`](#dcat-{verb}) | {cell(summary)} |" for verb, summary in verbs.items()]
        lines.append("")
    lines += ["Every command also takes these options:", "", *option_rows(common()), ""]
    for verb in VERBS:
        lines += [f"## dcat {verb}", ""]
        found = leaves(verb)
        if len(found) > 1 or found[0][0] != verb:
            lines += [part + "\n" for part in paragraphs(load_verb(verb))]
        for words, command in found:
            lines += [] if words == verb else [f"### dcat {words}", ""]
            lines += [part + "\n" for part in paragraphs(command)]
            lines += [f"    {usage(words, command)}", ""]
            arguments, options = own(command, "argument"), own(command, "option")
            if arguments:
                lines += ["| argument | |", "|---|---|"]
                lines += [f"| `{cell(metavar(one))}` | {cell(one.help or '')} |" for one in arguments]
                lines.append("")
            if options:
                lines += [*option_rows(options), ""]
    for topic, text in TOPICS.items():
        lines += [f"## {topic.replace('-', ' ').capitalize()}", "", "```text", text, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def option_rows(options: list[Any]) -> list[str]:
    """Return a table of options."""
    rows = ["| option | |", "|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in names_of(option))
        value = f" `{cell(value_of(option))}`" if value_of(option) else ""
        rows.append(f"| {names}{value} | {cell(option.help)} |")
    return rows


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", "\\|")


# Manual pages: man(7).


def roff(text: str) -> str:
    """Return text with everything escaped that roff would interpret."""
    return re.sub(r"^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"), flags=re.MULTILINE)


def head(name: str, summary: str) -> list[str]:
    return [f'.TH {roff(name.upper())} 1 "" "dcat" "dcat manual"', ".SH NAME", f"{roff(name)} \\- {roff(summary.rstrip('.'))}"]


def synopsis(words: str, command: Any) -> str:
    arguments = "".join(f" \\fI{roff(metavar(argument))}\\fR" for argument in own(command, "argument"))
    return f"\\fBdcat {roff(words)}\\fR [\\fIOPTIONS\\fR]{arguments}"


def option_items(options: list[Any]) -> list[str]:
    lines = []
    for option in options:
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in names_of(option))
        value = f" \\fI{roff(value_of(option))}\\fR" if value_of(option) else ""
        lines += [".TP", names + value, roff(option.help)]
    return lines


def argument_items(arguments: list[Any]) -> list[str]:
    lines = []
    for argument in arguments:
        lines += [".TP", f"\\fI{roff(metavar(argument))}\\fR", roff(argument.help or "")]
    return lines


def prose(parts: list[str]) -> list[str]:
    lines = []
    for part in parts:
        lines += [".PP", roff(part)]
    return lines[1:]


def as_is(text: str) -> list[str]:
    return [".nf", roff(text), ".fi"]


def verb_page(verb: str) -> str:
    """Return the manual page of a verb."""
    found = leaves(verb)
    lines = [*head(f"dcat-{verb}", VERBS[verb]), ".SH SYNOPSIS"]
    for number, (words, command) in enumerate(found):
        lines += [".br"] * bool(number) + [synopsis(words, command)]
    lines += [".SH DESCRIPTION", *prose(paragraphs(load_verb(verb)))]
    for words, command in found:
        arguments, options = own(command, "argument"), own(command, "option")
        if words != verb:
            lines += [f".SH {roff(words.upper())}", *prose(paragraphs(command))]
            lines += [*argument_items(arguments), *option_items(options)]
        else:
            lines += [".SH ARGUMENTS", *argument_items(arguments)] if arguments else []
            lines += [".SH OPTIONS", *option_items(options)] if options else []
    lines += [
        ".SH COMMON OPTIONS",
        *option_items(common()),
        ".SH SEE ALSO",
        "\\fBdcat\\fR(1): references, environment, exit status",
    ]
    return "\n".join(lines) + "\n"


def root_page() -> str:
    """Return the manual page dcat(1)."""
    root = build()
    summary = paragraphs(root)[0]
    lines = [*head("dcat", summary), ".SH SYNOPSIS", "\\fBdcat\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"]
    lines += [".SH DESCRIPTION", roff(summary), ".PP", "Each command has a page of its own, such as \\fBdcat\\-publish\\fR(1)."]
    for title, verbs in SECTIONS.items():
        lines += [f".SH {roff(title.upper())}"]
        for verb, about in verbs.items():
            lines += [".TP", f"\\fBdcat {roff(verb)}\\fR", roff(about)]
    lines += [".SH COMMON OPTIONS", *option_items(common())]
    for topic, text in TOPICS.items():
        lines += [f".SH {'EXIT STATUS' if topic == 'exit-codes' else roff(topic.upper())}", *as_is(text)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write()
