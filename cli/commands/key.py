"""``dcat key``: the key of your own catalogue."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.command import command, command_app
from cli.context import Context
from cli.exits import UsageError
from cli.output import Document, Table, fields

app = command_app()

_MAX_FILE = 64 * 1024

OutputOption = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write it there; the file must be new.")]
FormatOption = Annotated[str, typer.Option("--format", metavar="pem|protobuf", help="PKCS#8 PEM, or libp2p's form for Kubo.")]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Read the passphrase from a file; else it is asked for.")
]
PlainOption = Annotated[bool, typer.Option("--plain", help="Do not encrypt it.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE")]
SuccessorOption = Annotated[str, typer.Option("--successor", metavar="k51...", help="The catalogue that takes over.")]
NameOption = Annotated[str, typer.Option("--name", metavar="k51...", help="The catalogue, where this home is not its own.")]


@app.callback()
def key() -> None:
    """Show, move or give up the key of your own catalogue.

    Whoever has it can publish in your name. Keep a revocation where the key is not: it helps when the key is lost or stolen.
    """


@app.command("show")
@command
def show(context: Context) -> Document:
    """Show your catalogue's name in every form, and where its key is."""
    from catalog.ipld.multibase import encode_base32
    from catalog.operations.key import show_key

    info = show_key(context.home)
    base32 = encode_base32(info.name.cid_bytes)
    body = {
        "catalogue": str(info.name),
        "base32": base32,
        "peer_id": info.name.peer_id,
        "path": str(info.path),
        "sequence": info.sequence,
        "revoked": info.revoked,
    }
    pairs = [
        ("name", str(info.name)),
        ("base32", base32),
        ("peer ID", info.name.peer_id),
        ("key", str(info.path)),
        ("signed", "nothing yet" if info.sequence is None else f"sequence {info.sequence}"),
        ("state", "given up" if info.revoked else ""),
    ]
    return Document("key", body, [str(info.name)], [fields(pairs)])


@app.command("export")
@command
def export(
    context: Context,
    output: OutputOption = "",
    format_: FormatOption = "pem",
    passphrase_file: PassphraseOption = None,
    plain: PlainOption = False,
) -> Document:
    """Write the key to a file, encrypted with a passphrase unless --plain.

    The passphrase is asked for on a terminal, or read from --passphrase-file.
    """
    from catalog.operations.key import export_key, write_secret

    if format_ not in ("pem", "protobuf"):
        raise UsageError(f'"{format_}" is no form of a key', hint="--format pem|protobuf")
    if not output:
        raise UsageError("a key is written to a file", hint="dcat key export -o FILE")
    if format_ == "protobuf" and not plain:
        raise UsageError("libp2p's form of a key cannot be encrypted", hint="dcat key export --format protobuf --plain -o FILE")
    passphrase = None if plain else _read_passphrase(context, passphrase_file, again=True)
    content = export_key(context.home, "protobuf" if format_ == "protobuf" else "pem", passphrase)
    write_secret(Path(output), content)
    body = {"file": output, "format": format_, "encrypted": passphrase is not None}
    warnings = () if passphrase is not None else (f"{output} is not encrypted: whoever reads it can publish in your name",)
    return Document("key-export", body, [output], [f"Wrote {output}"], "To read it elsewhere: dcat key import FILE", warnings)


@app.command("import")
@command
def import_(context: Context, file: FileArgument, passphrase_file: PassphraseOption = None) -> Document:
    """Make a key this home's own: PEM, or libp2p's form. Only for a home without a catalogue of its own."""
    from catalog.operations.key import import_key

    content = _read(file)
    passphrase = _read_passphrase(context, passphrase_file, again=False) if b"ENCRYPTED" in content else None
    name = import_key(context.home, content, passphrase)
    body = {"catalogue": str(name)}
    return Document(
        "key-import", body, [str(name)], [f"This home is the catalogue {name} now"], "To bring its releases: dcat recover"
    )


@app.command("revocation")
@command
def revocation(context: Context, output: OutputOption = "", successor: SuccessorOption = "") -> Document:
    """Write the record that gives your catalogue up; nothing happens until somebody publishes it.

    Keep it offline, apart from the key: whoever has it can end your catalogue, and nobody can go on after it.
    """
    from catalog.ipns.name import parse_ipns_name
    from catalog.operations.key import create_revocation, write_secret

    if not output:
        raise UsageError("a revocation is written to a file", hint="dcat key revocation -o FILE")
    record = create_revocation(context.home, parse_ipns_name(successor) if successor else None)
    write_secret(Path(output), record.encoded)
    body = {"file": output, "catalogue": str(record.name), "successor": successor or None}
    return Document("key-revocation", body, [output], [f"Wrote {output}"], f"Should the key be lost: dcat key revoke {output}")


@app.command("revoke")
@command
def revoke(context: Context, file: FileArgument, name: NameOption = "") -> Document:
    """Publish a revocation: the catalogue is given up, for good."""
    from catalog.ipns.name import parse_ipns_name
    from catalog.operations.key import read_revocation
    from catalog.operations.key import revoke as give_up
    from catalog.own.signing import own_name

    target = parse_ipns_name(name) if name else own_name(context.home)
    if target is None:
        raise UsageError("this home has no catalogue of its own", hint="dcat key revoke FILE --name k51...")
    content = _read(file)
    read_revocation(target, content)
    if not context.confirm(f"Give up {target} for good? Nothing can be published under it afterwards."):
        raise UsageError("not revoked: nobody confirmed it", hint=f"dcat key revoke {file} --yes")
    done = give_up(context.home, context.network, target, content)
    successor = done.record.successor
    body = {
        "catalogue": str(target),
        "successor": None if successor is None else str(successor),
        "targets": list(done.targets),
        "failures": list(done.failures),
    }
    parts: list[str | Table] = [f"Given up: {target}"]
    if done.targets:
        parts.append(f"Told: {', '.join(done.targets)}")
    return Document("key-revoke", body, [str(target)], parts, "Others learn of it by their next sync", done.failures)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE + 1)


def _read_passphrase(context: Context, file: Path | None, *, again: bool) -> bytes:
    if file is not None:
        passphrase = _read(file).split(b"\n", 1)[0].rstrip(b"\r")
    elif context.interactive:
        import getpass

        passphrase = getpass.getpass("Passphrase: ", stream=sys.stderr).encode()
        if again and getpass.getpass("Passphrase again: ", stream=sys.stderr).encode() != passphrase:
            raise UsageError("the two passphrases differ")
    else:
        raise UsageError("a passphrase is needed", why="there is no terminal to ask on", hint="--passphrase-file FILE, or --plain")
    if not passphrase:
        raise UsageError("the passphrase is empty")
    return passphrase
