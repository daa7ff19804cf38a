"""``dcat doctor``: check everything that dcat depends on, and report what was found and what helps."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import zstandard

from catalog.blockstores.blockfile import SCHEMA as BLOCKS
from catalog.clients.docker import Engine
from catalog.clients.http import HttpClient
from catalog.clients.kubo import KuboClient
from catalog.clients.pinning import FAILED, PinningClient
from catalog.errors import DcatError, NewerHomeError, RecordExpiredError, StorageError, UnavailableError
from catalog.followed.inspecting import SourceReport, inspect_sources
from catalog.home.home import BLOCKS_FILE, INDEX_FILE, TRUST_FILE, Home
from catalog.hosting.checking import check_host
from catalog.image.encoder import check_encoder
from catalog.index.schema import SCHEMA as INDEX
from catalog.intake.push import examine
from catalog.limits import GIB
from catalog.own.inspecting import ClusterReport, inspect_cluster, inspect_node
from catalog.own.pinning import service_state
from catalog.own.places import known_place
from catalog.sources.network import Network, ReplicaRule
from catalog.storage.database import Schema, check_schema
from catalog.storage.files import open_mode
from catalog.storage.sqlite import connect, require_room, translated
from catalog.trust.schema import SCHEMA as TRUST

State = Literal["ok", "note", "failed"]
_LITTLE_SPACE = 2 * GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``error`` is the reason of a failure."""

    subject: str
    state: State
    text: str
    hint: str = ""
    error: DcatError | None = None


def diagnose(home: Home, connect_engine: Callable[[], Engine], network: Network, *, ask: bool = False) -> list[Finding]:
    """Check the encoder, the home, its files and key, the engine and its images, a node, a cluster and pinning services.

    The other sources are listed, and with ``ask`` asked for a record.
    """
    checks = [*_check_programs(), *_check_home(home)]
    checks += _check_engine(connect_engine)
    checks += _check_network(network)
    checks += [_check_source(report) for report in inspect_sources(home, network)] if ask else []
    if network.kubo is not None:
        place = known_place(home, network.kubo.url, network.cluster.url if network.cluster is not None else "")
        checks += _check_kubo(home, network.kubo, place)
    if network.cluster is not None:
        checks += _check_cluster(home, network)
    checks += [_check_service(home, service) for service in network.services]
    return checks


def diagnose_host(client: HttpClient, now: datetime) -> list[Finding]:
    """Check a static catalogue at a URL: what is there, and which clients can follow it and pull from it."""
    return [Finding(found.subject, found.state, found.text, found.hint, found.error) for found in check_host(client, now)]


def _check_programs() -> Iterator[Finding]:
    yield Finding("dcat", "ok", f"{version('dcat-ipfs')}, SQLite {sqlite3.sqlite_version}")
    bundled = ".".join(map(str, zstandard.ZSTD_VERSION))
    try:
        check_encoder()
        yield Finding("encoder", "ok", f"zstd {bundled} produces the frames of dcat-image/1")
    except DcatError as error:
        yield Finding("encoder", "failed", error.message, error.hint, error)


def _check_home(home: Home) -> Iterator[Finding]:
    if not home.path.exists():
        yield Finding("home", "note", f"{home.path} does not exist yet", "the first publish creates it")
        return
    free = shutil.disk_usage(home.path).free
    state: State = "note" if free < _LITTLE_SPACE else "ok"
    try:
        require_room(home.path)
        if (mode := open_mode(home.path)) is not None:
            yield Finding("home", "note", f"everybody on this machine can change it (mode {mode:04o})", f"chmod 700 {home.path}")
        yield Finding("home", state, f"{home.path}, {free // 1024**2} MiB free", "free some space" if state == "note" else "")
    except StorageError as error:
        yield Finding("home", "failed", error.message, "free some space", error)
    for name, schema in ((INDEX_FILE, INDEX), (TRUST_FILE, TRUST), (BLOCKS_FILE, BLOCKS)):
        if (home.path / name).exists():
            yield _check_file(home.path / name, schema)
    try:
        own = home.own_catalogue()
        if own is None:
            yield Finding("key", "note", "no catalogue of your own yet", "the first publish creates it")
        else:
            yield Finding("key", "ok", f"{home.read_key().name}, readable by you alone")
    except DcatError as error:
        yield Finding("key", "failed", error.message, error.hint or error.why, error)


def _check_file(path: Path, schema: Schema) -> Finding:
    try:
        check_schema(path, schema)
        with translated(path), closing(connect(path, read_only=True)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)").fetchall()]
    except NewerHomeError as error:
        return Finding(path.name, "failed", f"{error.message}: {error.why}", error.hint, error)
    except (sqlite3.Error, DcatError) as error:
        return Finding(path.name, "failed", f"cannot be read: {error}", error=error if isinstance(error, DcatError) else None)
    if found != ["ok"]:
        return Finding(path.name, "failed", f"is damaged: {'; '.join(found)}", "verify and repair this home, or restore the file")
    return Finding(path.name, "ok", f"{path.stat().st_size // 1024} KiB, sound")


def _check_engine(connect_engine: Callable[[], Engine]) -> Iterator[Finding]:
    try:
        engine = connect_engine()
    except DcatError as error:
        yield Finding("engine", "failed", error.message, error.hint or error.why, error)
        return
    with engine:
        info = engine.info()
        product = "podman" if info.store == "podman" else "Docker"
        store = f"{info.store} store, " if info.store != "podman" else ""
        text = f"{product} {info.version} at {info.target} ({info.origin}): {store}{info.platform}, API {info.api}"
        yield Finding("engine", "ok", text)
        road, left = examine(engine)
        yield Finding("engine", "ok", f"publish reads {road}")
        if left:
            yield Finding("engine", "ok", f"removed temporary tags of publishes that were killed: {', '.join(left)}")
        try:
            for image in engine.incomplete():
                yield Finding(
                    "image",
                    "note",
                    f"{', '.join(image.tags) or image.id} runs but cannot be exported: {len(image.missing)} of its layers were "
                    "never downloaded, the engine had them unpacked from another image",
                    "export it from its registry with skopeo or crane and publish that file, or remove both images and pull again",
                )
        except DcatError as error:
            yield Finding("image", "failed", error.message, error.hint or error.why, error)


def _check_network(network: Network) -> Iterator[Finding]:
    if network.offline:
        yield Finding("network", "note", "disabled: no source is asked for blocks or records")
        return
    names = [source.name for source in network.sources]
    names += [f"{network.cluster.name} (cluster)"] if network.cluster is not None else []
    names += [f"{service.url} (pinning service {service.name})" for service in network.services]
    yield Finding(
        "network",
        "ok",
        f"only these are ever asked: {', '.join(names)}" if names else "no source is configured, so none is ever asked",
    )


def _check_source(report: SourceReport) -> Finding:
    if report.answer is None:
        return Finding("source", "ok", f"{report.source}: there is no catalogue yet to ask it for")
    record, failure = report.answer.record, report.answer.failure
    if record is not None:
        return Finding("source", "ok", f"{report.source} has {report.name}, sequence {record.sequence}")
    if failure is None:
        return Finding("source", "note", f"{report.source} answers, but has no record of {report.name}")
    if isinstance(failure, RecordExpiredError):
        return Finding("source", "note", f"{report.source}: {failure.message}", "its owner renews it by a sync or a publish")
    text = failure.message if report.source in failure.message else f"{report.source}: {failure.message}"
    return Finding("source", "failed", text, failure.hint, failure)


def _check_kubo(home: Home, client: KuboClient, place: str) -> Iterator[Finding]:
    try:
        report = inspect_node(home, client, place)
    except UnavailableError as error:
        yield Finding("kubo", "failed", error.message, error.hint or error.why, error)
        return
    text = f"Kubo {report.version} at {client.name}"
    if not report.root:
        yield Finding("kubo", "ok", f"{text}: nothing was shared through it yet")
    elif not report.pinned:
        text += f": it does not pin {report.root} any more, so its GC may free what you shared"
        yield Finding("kubo", "failed", text, "sync, which sends it what it lacks")
    elif report.partial:
        text += ": it pins your catalogue, but for archives that lost blocks"
        yield Finding("kubo", "note", text, "verify and repair this home, then sync")
    else:
        yield Finding("kubo", "ok", f"{text}: it pins your catalogue ({report.root})")
    if report.slow:
        yield Finding("kubo", "note", "listing pins waits for every pin operation there", "update the node to 0.42 or newer")
    if report.silent:
        yield Finding(
            "kubo", "note", "the node announces no blocks: only peers that know it find them", "set Provide.Enabled there"
        )
    if report.third_parties is None:
        yield Finding("kubo", "note", "the node does not show its configuration: whom it asks is not known")
    elif report.third_parties:
        yield Finding("kubo", "note", f"the node itself uses hosts of others: {', '.join(report.third_parties)}")


def _check_cluster(home: Home, network: Network) -> Iterator[Finding]:
    try:
        report = inspect_cluster(home, network)
    except UnavailableError as error:
        yield Finding("cluster", "failed", error.message, error.hint or error.why, error)
        return
    assert network.cluster is not None
    name, rule = network.cluster.name, network.rule
    down = [peer for peer in report.peers if peer.error]
    live = len(report.peers) - len(down)
    text = f"IPFS Cluster {report.version} at {name}: peer {report.id} with node {report.node}"
    text += f", {live} of {len(report.peers)} peers live"
    if live < rule.least:
        yield Finding("cluster", "failed", text, f"start more peers, or set cluster-replicas ({rule.least}) to what there is")
    else:
        yield Finding("cluster", "ok", text)
    for peer in down:
        text = f"peer {peer.name or peer.id} cannot be reached: {peer.error}"
        yield Finding("cluster", "note", text, "start it, or remove it there")
    yield _check_replicas(report, rule)
    if report.free:
        least = min(report.free)
        state: State = "note" if least < _LITTLE_SPACE else "ok"
        hint = "free some space there" if state == "note" else ""
        yield Finding("cluster", state, f"its nodes have {least // 1024**2} MiB free, or more", hint)
    if report.batching is False:
        yield Finding("cluster", "note", "it records pins one by one, which is slow with many", "set crdt.batching there (500, 1s)")
    if network.cluster.is_exposed:
        text = f"what {name} is sent, its password too, is not encrypted"
        yield Finding("cluster", "note", text, "use https, by ssl_cert_file there")


def _check_replicas(report: ClusterReport, rule: ReplicaRule) -> Finding:
    if not report.root:
        return Finding("cluster", "ok", "nothing was shared through it yet")
    text = f"{report.replicas.pinned} of {rule.least}..{rule.most} nodes pin your catalogue ({report.root})"
    if report.replicas.pinned < rule.least:
        words = f": {'; '.join(report.replicas.failures)}" if report.replicas.failures else ""
        return Finding("cluster", "failed", text + words, "sync, which has it pinned again")
    return Finding("cluster", "ok", text)


def _check_service(home: Home, client: PinningClient) -> Finding:
    known = service_state(home, client.name, client.url)
    text = f"{client.name} at {client.url}"
    if not known.request:
        return Finding("pinning", "ok", f"{text}: nothing was asked of it yet")
    try:
        pin = client.look(known.request)
    except UnavailableError as error:
        return Finding("pinning", "failed", f"{text}: {error.message}", error.hint or error.why, error)
    state = "it does not know your catalogue any more" if pin is None else f"{pin.state} {known.root}"
    sound = pin is not None and pin.state != FAILED
    return Finding("pinning", "ok" if sound else "note", f"{text}: {state}", "" if sound else "sync, which asks it again")
