"""``dcat export --static``: write a catalogue as plain files that any web server, bucket or stick can hold."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from catalog.delivery import explain_absence, open_store
from catalog.errors import (
    AmbiguousReferenceError,
    BlockNotFoundError,
    CidError,
    InvalidInputError,
    ReleaseNotFoundError,
    UnavailableError,
    VerificationError,
)
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.hosting.archives import ArchiveWriter
from catalog.hosting.examples import examples
from catalog.hosting.folder import Folder, Pointer, open_folder
from catalog.hosting.listings import TOP_LINES, TOP_PAGE, Pages, list_header_rules, list_pages, list_tags
from catalog.hosting.pruning import prune_folder
from catalog.hosting.snapshots import write_snapshot
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import get_release
from catalog.index.subscriptions import find_catalogue
from catalog.ipld.cid import Cid, parse_cid
from catalog.ipns.name import IpnsName, parse_ipns_name
from catalog.ipns.record import check_record
from catalog.model.release import Release
from catalog.progress import Progress, Step, silent
from catalog.snapshot.difference import diff_snapshots
from catalog.snapshot.reader import open_snapshot
from catalog.sources.network import NO_NETWORK, Network
from catalog.sources.protocol import CATALOGUE_PATH, CATALOGUE_SCHEMA, record_path
from catalog.static.layout import FORMAT, SCHEMA, STATIC_PATH
from catalog.trust.conflicts import list_conflicts
from catalog.trust.ownership import rewrite_alias

_MOST_POINTERS = 5_000  # that wait in memory for what they lead to
_LEFT_OUT = "settings/left-out"
_MOST_LEFT_OUT = 10_000  # that are noted; where there are more, each export looks at all releases


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """What a run did: ``releases`` were looked at, ``files`` with ``written`` bytes in all are new, ``deleted`` were not needed."""

    catalogue: str
    releases: int
    files: int
    written: int
    deleted: int = 0


def export_static(
    home: Home,
    folder: Path,
    *,
    catalogue: str = "mine",
    prune: bool = False,
    pages: Pages | None = None,
    network: Network = NO_NETWORK,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write the newest signed snapshot of a catalogue, ``mine`` or that of an alias, into a folder (docs/formats/static.md).

    Only what is not there yet is written. ``prune`` deletes what no release needs any more. ``pages`` renders pages for people
    (`catalog.server.pages.plain`); without it there are none. Raise `UnavailableError` where the bytes of an image are neither
    here nor at a source, `InvalidInputError` for a folder that holds another catalogue, or files of somebody else that would be
    replaced.
    """
    row = _find(home, catalogue)
    name = parse_ipns_name(row.catalogue)
    record = local_records(home).get(name)
    if record is None:
        raise AmbiguousReferenceError(
            f'the catalogue "{row.label}" has no record here yet', why="it was never signed or synced", hint="sync first"
        )
    root = check_record(name, record).snapshot_cid
    with home.reading("export"), open_folder(folder, crash_point=home.crash_point) as files:
        last, again = _last_root(files, name)
        _refuse_others_files(files, [TOP_LINES] if pages is None else [TOP_PAGE, TOP_LINES])
        pointers: list[Pointer] = []
        store = open_store(home, network, str(name))
        writer = ArchiveWriter(files, store)
        names: dict[str, None] = {}
        releases = 0
        left_out: list[str] = []
        contested = _contested(home, str(name))
        progress(Step("phase", "Writing the releases"))
        for release in _changed(home, str(name), root, last, again):
            releases += 1
            progress(Step("total", "written", files.written, None, (("releases", releases),)))
            if (release.name, release.version) in contested:
                left_out.append(release.reference)
                progress(Step("warning", f"{release.reference} was left out: its content changed, which nobody accepted here"))
                continue
            names[release.name] = None
            try:
                pointers += writer.write_release(release)
            except UnavailableError as error:
                raise explain_absence(error, release.reference, network) from error
            except VerificationError as error:  # of a stranger's catalogue; the rest of it is of use
                left_out.append(release.reference)
                progress(Step("warning", f"{release.reference} was left out: {error.message}"))
            if len(pointers) >= _MOST_POINTERS:
                files.sync()
                _write(files, pointers)
                pointers.clear()
        progress(Step("total", "written", files.written, files.written, (("releases", releases),)))
        progress(Step("phase", "Writing the index"))
        write_snapshot(files, root, last, home.blocks)
        for path, data in examples():
            files.put(path, data)
        files.sync()
        title = open_snapshot(root, home.blocks).catalogue.title
        lists = chain(
            list_tags(home, str(name), names, files),
            list_header_rules(home, str(name), files),
            list_pages(home, str(name), title, names, pages),
        )
        _write(files, chain(pointers, lists, _pointers(name, record, root, left_out)))
        files.sync()
        deleted = prune_folder(files, root, home.blocks) if prune else 0
    return ExportedFiles(str(name), releases, files.files, files.written, deleted)


def _find(home: Home, label: str) -> CatalogueRow:
    with home.trust.read() as connection:
        label = rewrite_alias(connection, label)
    with home.index.read() as connection:
        return find_catalogue(connection, label)


def _write(files: Folder, pointers: Iterable[Pointer]) -> None:
    for pointer in pointers:
        files.replace(pointer.path, pointer.data)


def _last_root(files: Folder, name: IpnsName) -> tuple[Cid | None, list[str] | None]:
    """Return the snapshot that the folder holds, None for a folder without one, and the releases of it that were left out.

    These are None where they are unknown: then all releases are looked at.
    """
    data = files.read(STATIC_PATH)
    if data is None:
        return None, None
    try:
        pointer = json.loads(data)
        held, root, left_out = str(pointer["name"]), parse_cid(pointer["root"]), pointer["left_out"]
    except (ValueError, KeyError, TypeError, CidError):
        return None, None
    if held != str(name):
        raise InvalidInputError(
            f"{files.path} holds another catalogue", why=f"it is that of {held}", hint="name another folder, or an empty one"
        )
    noted = (files.read(_LEFT_OUT) or b"").decode("utf-8", "replace").splitlines() if left_out else []
    return root, noted if len(noted) == left_out <= _MOST_LEFT_OUT else None


def _refuse_others_files(files: Folder, paths: Iterable[str]) -> None:
    """Raise `InvalidInputError` where a folder without a catalogue has files of somebody else that would be replaced."""
    if files.was_begun or files.read(STATIC_PATH) is not None:
        return
    found = next((path for path in paths if os.path.lexists(files.path / path)), None)
    if found is not None:
        files.give_up()
        raise InvalidInputError(
            f"{files.path} has a file {found} that is not of a catalogue",
            why="the export would replace it",
            hint="name an empty folder",
        )


def _changed(home: Home, catalogue: str, root: Cid, last: Cid | None, again: Sequence[str] | None) -> Iterator[Release]:
    """Yield the releases that are new or changed since snapshot ``last``, and those of ``again``; all where these are not known."""
    snapshot = open_snapshot(root, home.blocks)
    if last is not None and again is not None:
        try:
            old = open_snapshot(last, home.blocks)
            changes = [change.after for change in diff_snapshots(old, snapshot) if change.after is not None]
            changed = {release.reference for release in changes}
            changes += _find_releases(home, catalogue, [reference for reference in again if reference not in changed])
        except (BlockNotFoundError, ReleaseNotFoundError):  # collected since; or not shown
            pass
        else:
            yield from changes
            return
    yield from snapshot.read()


def _find_releases(home: Home, catalogue: str, references: Sequence[str]) -> list[Release]:
    with home.index.read() as connection:
        return [get_release(connection, catalogue, *reference.split("@", 1)) for reference in references]


def _contested(home: Home, catalogue: str) -> set[tuple[str, str]]:
    """Return the releases whose content changed and was not accepted: engines, which know no catalogue, are not given them."""
    with home.trust.read() as connection:
        return {(conflict.name, conflict.version) for conflict in list_conflicts(connection, state=None, catalogue=catalogue)}


def _pointers(name: IpnsName, record: bytes, root: Cid, left_out: Sequence[str]) -> Iterator[Pointer]:
    """Yield what leads to the snapshot, the last one last."""
    yield Pointer(record_path(name).lstrip("/"), record)
    yield Pointer(CATALOGUE_PATH.lstrip("/"), _encode({"name": str(name), "schema": CATALOGUE_SCHEMA}))
    if left_out:
        yield Pointer(_LEFT_OUT, "".join(f"{reference}\n" for reference in left_out[:_MOST_LEFT_OUT]).encode())
    static = {"format": FORMAT, "left_out": len(left_out), "name": str(name), "root": str(root), "schema": SCHEMA}
    yield Pointer(STATIC_PATH, _encode(static))


def _encode(fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
