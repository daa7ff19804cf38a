"""``dcat subscribe``: follow a catalogue."""

import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from catalog import operations
from catalog.errors import UnavailableError
from catalog.followed.target import Target, name_of_target, parse_target
from catalog.ipns.name import parse_ipns_name
from catalog.model.release import format_time
from catalog.model.text import quote
from catalog.sources.bundle import BundleSource
from catalog.sources.network import Network, SourceSetting, with_bundle
from cli.command import command, command_app
from cli.context import Context
from cli.following import update_body, update_warnings
from cli.output import Document, Table, fields
from cli.quantities import format_count, format_size
from cli.secrets import warn_if_shared
from cli.settings.file import read_file_values, set_in_file
from cli.settings.keys import read_file, read_url

app = command_app()

_SHOWN = 5
_MISSING = {"denies access": "--token-file", "cannot be trusted": "--ca-file"}

AliasArgument = Annotated[str, typer.Argument(metavar="[ALIAS]", help="Your name for it, without a slash.")]
TargetArgument = Annotated[
    str, typer.Argument(metavar="NAME|URL|FILE", help="An IPNS name in any form, a domain, the URL of a dcat serve, or a bundle.")
]
ViaOption = Annotated[
    list[str] | None, typer.Option("--via", metavar="URL", help="A source that has it (repeatable); it is kept in the settings.")
]
CaFileOption = Annotated[
    str, typer.Option("--ca-file", metavar="FILE", help="The CA that signed the server's certificate; it is kept in the settings.")
]
TokenFileOption = Annotated[
    str, typer.Option("--token-file", metavar="FILE", help="The token that the server requires; the file is kept in the settings.")
]
FingerprintOption = Annotated[str, typer.Option("--fingerprint", metavar="k51...", help="The name that the catalogue must have.")]


@app.command()
@command(long=True)
def subscribe(
    context: Context,
    alias: AliasArgument,
    target: TargetArgument = "",
    via: ViaOption = None,
    fingerprint: FingerprintOption = "",
    ca_file: CaFileOption = "",
    token_file: TokenFileOption = "",
) -> Document:
    """Follow a catalogue: its releases are then found here.

    Names that are known here keep their meaning. ALIAS/NAME@VERSION always means a release of this catalogue.
    """
    if not target:
        alias, target = "", alias
    found = parse_target(target)
    urls = [read_url("--via", url) for url in via or []]
    if found.kind == "url":
        urls.append(read_url("URL", found.text))
    expected = parse_ipns_name(fingerprint) if fingerprint else None
    files = {
        "token-file": read_file("--token-file", token_file) if token_file else "",
        "ca-file": read_file("--ca-file", ca_file) if ca_file else "",
    }
    if token_file:
        warn_if_shared(context.output, Path(files["token-file"]), "a token")
    with _open_network(context, urls, found, files) as network:
        try:
            name = name_of_target(
                found,
                clients={client.url: client for client in network.clients},
                bundled=[name for bundle in network.bundles for name in bundle.records],
                fingerprint=expected,
            )
        except UnavailableError as error:
            option = next((option for words, option in _MISSING.items() if words in error.message), None)
            if option is not None and not files[option.removeprefix("--")]:
                error.hint = f"dcat subscribe {alias or 'ALIAS'} {quote(target)} {option} FILE"
            raise
        if not alias:
            alias = context.ask(f"Alias for {name}", option=f"dcat subscribe ALIAS {quote(target)}")
        done = operations.subscribe(context.home, network, name, alias, progress=context.progress)
    for url in urls:
        _keep_source(context, alias, url, done.subscription.catalogue, files)
    return _document(done)


def _open_network(context: Context, urls: list[str], target: Target, files: Mapping[str, str]) -> Network:
    if target.kind in ("url", "domain") and context.settings.offline:
        raise UnavailableError(f"{target.text} cannot be asked", why="the network is switched off: offline is set")
    token_file, ca_file = (Path(files[key]) if files[key] else None for key in ("token-file", "ca-file"))
    extra = [SourceSetting(url, token_file=token_file, ca_file=ca_file) for url in urls]
    network = context.open_network(context.home, extra)
    return with_bundle(network, BundleSource(Path(target.text))) if target.kind == "file" else network


def _keep_source(context: Context, alias: str, url: str, catalogue: str, files: Mapping[str, str]) -> None:
    """Add a source to the settings, named after the alias, unless its URL is there already."""
    path = context.surroundings.config
    values = read_file_values(path)
    known = next((source.name for source in context.settings.sources if source.url == url), None)
    if known is not None:
        if any(files.values()):
            set_in_file(path, {f"sources.{known}.{key}": file for key, file in files.items() if file})
        return
    base = re.sub(r"[^a-z0-9]+", "-", alias)
    names = (base if number == 1 else f"{base}-{number}" for number in count(1))
    name = next(name for name in names if f"sources.{name}.url" not in values)
    added = {f"sources.{name}.url": url, f"sources.{name}.catalogue": catalogue}
    set_in_file(path, added | {f"sources.{name}.{key}": file for key, file in files.items() if file})
    context.note(f"Added the source {name}, {url}, to the settings: dcat config list")


def _document(done: "operations.Subscribed") -> Document:
    subscription, update = done.subscription, done.update
    alias, record = subscription.alias, update.record
    body = update_body(update) | {"first": done.first, "overlap": list(done.overlap)}
    pairs = []
    if record is not None:
        pairs.append(("Name", subscription.catalogue))
        pairs.append(("Record", f"sequence {record.sequence}, expires {format_time(record.expires)}"))
    if update.changes is not None:
        pairs.append(("Index", f"{format_count(update.releases, 'release')}, {format_size(update.fetched)}"))
    if done.overlap:
        shown = ", ".join(done.overlap[:_SHOWN]) + (f" and {len(done.overlap) - _SHOWN} more" if len(done.overlap) > _SHOWN else "")
        pairs.append(("Overlap", f"{shown} keep their meaning here; {alias}/{done.overlap[0]} means that of {alias}"))
    line = f"Subscribed as {alias}" if done.first else f"Already followed as {' and '.join((alias, *subscription.others))}"
    parts: list[str | Table] = [fields(pairs), line]
    return Document(
        "subscribe",
        body,
        [subscription.catalogue],
        parts,
        f"New versions: dcat sync {alias}. To look around: dcat search, dcat list",
        tuple(update_warnings(update)),
    )
