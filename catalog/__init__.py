"""dcat's library: a content-addressed catalogue of Docker images on IPFS.

The rooms, from the ground up; a module imports its package's siblings and what stands above it here (checked by import-linter):

    errors, limits, progress   expected failures, every limit, one event type for all progress
    ipld/                      blocks, CIDs and the codecs: dag-pb, DAG-CBOR, CAR; the protocols of block stores
    model/                     digests, platforms, references, releases
    deployment/                files that deploy images, and the same with digests
    unixfs/ ipns/              files and directories of blocks; names, keys and signed records
    image/                     any export of an image -> the one canonical archive and its DAG
    rootfs/                    the files inside an image
    snapshot/                  a catalogue as an immutable DAG
    delta/                     a next version as the few bytes that changed
    static/                    a catalogue as plain files: their layout
    storage/                   SQLite files, the private key's file, files written atomically
    clients/                   HTTP, Kubo, Docker: I/O without a domain
    blockstores/               where a home keeps blocks
    sources/                   where blocks and records are fetched from
    trust/                     what was seen before, who owns a name, and what may replace what
    index/                     releases, subscriptions, history, search
    lookup/                    the quick read-only path of `resolve`
    home/                      the opened home: wires the parts together
    delivery/                  archives brought here: by delta, or block by block
    intake/                    images taken in: from an engine, a file, another release
    hosting/                   a catalogue written as plain files
    own/                       the own catalogue: signed, shared, merged
    followed/                  others' catalogues: checked, taken, mirrored
    operations/                one verb a file, twin of a command
    documents/                 what `--json` and the JSON of pages say of a thing
    server/                    what `dcat serve` answers

The library prints nothing, reads no environment, never exits and never asks for the time of day.

Programs use the names that this package offers; each is imported when it is first used (PEP 562):

    with catalog.open_home(path, now=datetime.now(UTC)) as home:
        done = catalog.publish(home, "web", "1.0", source, catalog.Wanted(host))
"""

from __future__ import annotations

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from catalog.clients.docker import Engine as Engine
    from catalog.clients.docker import connect as connect
    from catalog.errors import DcatError as DcatError
    from catalog.home.home import Home as Home
    from catalog.home.home import open_home as open_home
    from catalog.intake.intake import Wanted as Wanted
    from catalog.intake.sources import EngineSource as EngineSource
    from catalog.intake.sources import FolderSource as FolderSource
    from catalog.intake.sources import StreamSource as StreamSource
    from catalog.ipld.cid import Cid as Cid
    from catalog.ipld.cid import parse_cid as parse_cid
    from catalog.ipns.name import IpnsName as IpnsName
    from catalog.ipns.name import parse_ipns_name as parse_ipns_name
    from catalog.model.platform import Platform as Platform
    from catalog.model.platform import parse_platform as parse_platform
    from catalog.model.release import Image as Image
    from catalog.model.release import Release as Release
    from catalog.operations import accept as accept
    from catalog.operations import collect_garbage as collect_garbage
    from catalog.operations import diff as diff
    from catalog.operations import diff_files as diff_files
    from catalog.operations import export_catalogue as export_catalogue
    from catalog.operations import export_releases as export_releases
    from catalog.operations import export_static as export_static
    from catalog.operations import import_bundle as import_bundle
    from catalog.operations import list_files as list_files
    from catalog.operations import list_names as list_names
    from catalog.operations import list_questions as list_questions
    from catalog.operations import list_releases as list_releases
    from catalog.operations import log as log
    from catalog.operations import open_file as open_file
    from catalog.operations import outdated as outdated
    from catalog.operations import pin as pin
    from catalog.operations import prefer as prefer
    from catalog.operations import publish as publish
    from catalog.operations import pull as pull
    from catalog.operations import recover as recover
    from catalog.operations import refuse as refuse
    from catalog.operations import remove as remove
    from catalog.operations import save as save
    from catalog.operations import search as search
    from catalog.operations import show as show
    from catalog.operations import status as status
    from catalog.operations import subscribe as subscribe
    from catalog.operations import sync as sync
    from catalog.operations import unpin as unpin
    from catalog.operations import unsubscribe as unsubscribe
    from catalog.operations import verify as verify
    from catalog.operations import yank as yank
    from catalog.own.share import Shared as Shared
    from catalog.own.share import Sharing as Sharing
    from catalog.progress import Progress as Progress
    from catalog.progress import Step as Step
    from catalog.sources.bundle import BundleSource as BundleSource
    from catalog.sources.network import NO_NETWORK as NO_NETWORK
    from catalog.sources.network import ClusterSetting as ClusterSetting
    from catalog.sources.network import KuboSetting as KuboSetting
    from catalog.sources.network import Network as Network
    from catalog.sources.network import PinningSetting as PinningSetting
    from catalog.sources.network import ReplicaRule as ReplicaRule
    from catalog.sources.network import SourceSetting as SourceSetting
    from catalog.sources.network import open_network as open_network

_NAMES = {
    "catalog.clients.docker": ("Engine", "connect"),
    "catalog.errors": ("DcatError",),
    "catalog.home.home": ("Home", "open_home"),
    "catalog.intake.intake": ("Wanted",),
    "catalog.intake.sources": ("EngineSource", "FolderSource", "StreamSource"),
    "catalog.ipld.cid": ("Cid", "parse_cid"),
    "catalog.ipns.name": ("IpnsName", "parse_ipns_name"),
    "catalog.model.platform": ("Platform", "parse_platform"),
    "catalog.model.release": ("Image", "Release"),
    "catalog.operations": (
        "accept",
        "collect_garbage",
        "diff",
        "diff_files",
        "export_catalogue",
        "export_releases",
        "export_static",
        "import_bundle",
        "list_files",
        "list_names",
        "list_questions",
        "list_releases",
        "log",
        "open_file",
        "outdated",
        "pin",
        "prefer",
        "publish",
        "pull",
        "recover",
        "refuse",
        "remove",
        "save",
        "search",
        "show",
        "status",
        "subscribe",
        "sync",
        "unpin",
        "unsubscribe",
        "verify",
        "yank",
    ),
    "catalog.own.share": ("Shared", "Sharing"),
    "catalog.progress": ("Progress", "Step"),
    "catalog.sources.bundle": ("BundleSource",),
    "catalog.sources.network": (
        "NO_NETWORK",
        "ClusterSetting",
        "KuboSetting",
        "Network",
        "PinningSetting",
        "ReplicaRule",
        "SourceSetting",
        "open_network",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


if not TYPE_CHECKING:  # a name that is not offered is an error to type checkers too

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
