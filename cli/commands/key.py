"""``dcat key``: the key of your own catalogue."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from catalog import operations
from catalog.ipld.multibase import encode_base32
from catalog.ipns.name import parse_ipns_name
from catalog.model.text import quote
from cli.command import command, command_app
from cli.context import Context
from cli.exits import UsageError
from cli.output import Document, Table, fields
from cli.secrets import warn_if_shared
from cli.targets import output_file

app = command_app()

_MAX_FILE = 64 * 1024

OutputOption = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; it must not exist.")]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="pem|protobuf", help="PKCS#8 PEM (default), or libp2p's protobuf for Kubo.")
]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Read the passphrase from a file; default: ask for it.")
]
PlainOption = Annotated[bool, typer.Option("--plain", help="Do not encrypt the key.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A key that dcat key export wrote, or one of Kubo.")]
RevocationArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file that dcat key revocation wrote.")]
SuccessorOption = Annotated[str, typer.Option("--successor", metavar="k51...", help="The catalogue that replaces it.")]
NameOption = Annotated[str, typer.Option("--name", metavar="k51...", help="The catalogue to revoke; default: this home's own.")]


@app.callback()
def key() -> None:
    """Show, export, import or revoke the key of your own catalogue.

    Whoever has the key can publish in your name. Keep a revocation apart from the key, for when the key is lost or stolen.
    """


@app.command("show")
@command
def show(context: Context) -> Document:
    """Show the name of your catalogue in every form, and where its key is."""
    info = operations.show_key(context.home)
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
        ("state", "revoked" if info.revoked else ""),
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
    if format_ not in ("pem", "protobuf"):
        raise UsageError(f'--format: "{format_}" is not a known form', why="the forms are pem and protobuf")
    if not output:
        raise UsageError("missing option --output", why="a key is written to a file", hint="dcat key export -o FILE")
    if format_ == "protobuf" and not plain:
        raise UsageError("libp2p's form of a key cannot be encrypted", hint="dcat key export --format protobuf --plain -o FILE")
    target = output_file(output, "dcat.key")
    passphrase = None if plain else _read_passphrase(context, passphrase_file, again=True)
    content = operations.export_key(context.home, "protobuf" if format_ == "protobuf" else "pem", passphrase)
    operations.write_secret(target, content)
    body = {"file": output, "format": format_, "encrypted": passphrase is not None}
    warnings = () if passphrase is not None else (f"{output} is not encrypted: whoever reads it can publish in your name",)
    return Document("key-export", body, [output], [f"Wrote {output}"], "To read it elsewhere: dcat key import FILE", warnings)


@app.command("import")
@command
def import_(context: Context, file: FileArgument, passphrase_file: PassphraseOption = None) -> Document:
    """Make a key, as PEM or in libp2p's form, the key of this home. The home must have no catalogue of its own."""

    content = _read(file)
    passphrase = _read_passphrase(context, passphrase_file, again=False) if b"ENCRYPTED" in content else None
    name = operations.import_key(context.home, content, passphrase)
    body = {"catalogue": str(name)}
    return Document(
        "key-import", body, [str(name)], [f"This home's own catalogue is {name} now"], "To fetch its releases: dcat recover"
    )


@app.command("revocation")
@command
def revocation(context: Context, output: OutputOption = "", successor: SuccessorOption = "") -> Document:
    """Write the record that revokes your catalogue; it has no effect until somebody publishes it.

    Keep it offline, apart from the key: whoever has it can revoke your catalogue for good.
    """
    if not output:
        raise UsageError("missing option --output", why="a revocation is written to a file", hint="dcat key revocation -o FILE")
    target = output_file(output, "dcat.revocation")
    record = operations.create_revocation(context.home, parse_ipns_name(successor) if successor else None)
    operations.write_secret(target, record.encoded)
    body = {"file": output, "catalogue": str(record.name), "successor": successor or None}
    quoted = quote(output)
    return Document("key-revocation", body, [output], [f"Wrote {output}"], f"If the key is lost: dcat key revoke {quoted}")


@app.command("revoke")
@command
def revoke(context: Context, file: RevocationArgument, name: NameOption = "") -> Document:
    """Publish a revocation: the catalogue is revoked for good."""
    text = name or context.home.own_catalogue()
    if text is None:
        raise UsageError("this home has no catalogue of its own", hint="dcat key revoke FILE --name k51...")
    target = parse_ipns_name(text)
    content = _read(file)
    operations.read_revocation(target, content)
    if not context.confirm(f"Revoke {target} for good? Nothing can be published under it afterwards."):
        raise UsageError("not revoked: not confirmed", hint=f"dcat key revoke {quote(str(file))} --yes")
    done = operations.revoke(context.home, context.network, target, content)
    successor = done.record.successor
    body = {
        "catalogue": str(target),
        "successor": None if successor is None else str(successor),
        "targets": list(done.targets),
        "failures": list(done.failures),
    }
    parts: list[str | Table] = [f"Revoked {target}"]
    if done.targets:
        parts.append(f"Published to {', '.join(done.targets)}")
    return Document("key-revoke", body, [str(target)], parts, "Subscribers learn of it at their next sync", done.failures)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE + 1)


def _read_passphrase(context: Context, file: Path | None, *, again: bool) -> bytes:
    if file is not None:
        warn_if_shared(context.output, file, "a passphrase")
        passphrase = _read(file).split(b"\n", 1)[0].rstrip(b"\r")
    elif context.interactive:
        passphrase = getpass.getpass("Passphrase: ", stream=sys.stderr).encode()
        if again and getpass.getpass("Passphrase again: ", stream=sys.stderr).encode() != passphrase:
            raise UsageError("the two passphrases differ")
    else:
        raise UsageError("a passphrase is needed", why="nobody can be asked", hint="--passphrase-file FILE, or --plain")
    if not passphrase:
        raise UsageError("the passphrase is empty")
    return passphrase
