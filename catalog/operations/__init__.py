"""The operations, one verb a file: each is the twin of a command, for programs that use the library.

This package offers them by name, and imports a module when one of its names is first used (PEP 562), so that a command pays for its
own operation only. An operation takes an opened home, returns a frozen result, and raises a `DcatError`; none prints or asks.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from catalog.operations.cat import OpenedFile as OpenedFile
    from catalog.operations.cat import open_file as open_file
    from catalog.operations.catalogues import CatalogueEntry as CatalogueEntry
    from catalog.operations.catalogues import catalogues as catalogues
    from catalog.operations.check_lock import LockProblem as LockProblem
    from catalog.operations.check_lock import check_image_name as check_image_name
    from catalog.operations.check_lock import check_locked as check_locked
    from catalog.operations.check_lock import locked_reference as locked_reference
    from catalog.operations.diff import Difference as Difference
    from catalog.operations.diff import diff as diff
    from catalog.operations.diff import diff_files as diff_files
    from catalog.operations.doctor import Finding as Finding
    from catalog.operations.doctor import diagnose as diagnose
    from catalog.operations.doctor import diagnose_host as diagnose_host
    from catalog.operations.export import Exported as Exported
    from catalog.operations.export import export_catalogue as export_catalogue
    from catalog.operations.export import export_releases as export_releases
    from catalog.operations.export_static import ExportedFiles as ExportedFiles
    from catalog.operations.export_static import export_static as export_static
    from catalog.operations.exposure import Exposed as Exposed
    from catalog.operations.exposure import list_exposed as list_exposed
    from catalog.operations.fetch_metadata import fetch_metadata as fetch_metadata
    from catalog.operations.files import ListedFile as ListedFile
    from catalog.operations.files import ListedFiles as ListedFiles
    from catalog.operations.files import list_files as list_files
    from catalog.operations.gc import Swept as Swept
    from catalog.operations.gc import collect_garbage as collect_garbage
    from catalog.operations.import_ import Imported as Imported
    from catalog.operations.import_ import ImportedImage as ImportedImage
    from catalog.operations.import_ import import_bundle as import_bundle
    from catalog.operations.key import KeyInfo as KeyInfo
    from catalog.operations.key import export_key as export_key
    from catalog.operations.key import import_key as import_key
    from catalog.operations.key import show_key as show_key
    from catalog.operations.key import write_secret as write_secret
    from catalog.operations.list import ListedName as ListedName
    from catalog.operations.list import list_names as list_names
    from catalog.operations.list import list_releases as list_releases
    from catalog.operations.lock import LockedImageName as LockedImageName
    from catalog.operations.lock import lock_image_name as lock_image_name
    from catalog.operations.lock import lock_release as lock_release
    from catalog.operations.lock import name_locked as name_locked
    from catalog.operations.lock import update_locked as update_locked
    from catalog.operations.log import LoggedChange as LoggedChange
    from catalog.operations.log import log as log
    from catalog.operations.outdated import Outdated as Outdated
    from catalog.operations.outdated import OutdatedReport as OutdatedReport
    from catalog.operations.outdated import outdated as outdated
    from catalog.operations.pin import Pinned as Pinned
    from catalog.operations.pin import pin as pin
    from catalog.operations.prefer import Preferred as Preferred
    from catalog.operations.prefer import prefer as prefer
    from catalog.operations.publish import Published as Published
    from catalog.operations.publish import publish as publish
    from catalog.operations.pull import Pulled as Pulled
    from catalog.operations.pull import VersionChoice as VersionChoice
    from catalog.operations.pull import pull as pull
    from catalog.operations.recover import recover as recover
    from catalog.operations.remove import Removed as Removed
    from catalog.operations.remove import remove as remove
    from catalog.operations.renew import renew as renew
    from catalog.operations.resolve import ResolvedImage as ResolvedImage
    from catalog.operations.resolve import resolve as resolve
    from catalog.operations.revoke import Revoked as Revoked
    from catalog.operations.revoke import create_revocation as create_revocation
    from catalog.operations.revoke import read_revocation as read_revocation
    from catalog.operations.revoke import revoke as revoke
    from catalog.operations.save import Saved as Saved
    from catalog.operations.save import save as save
    from catalog.operations.search import Hit as Hit
    from catalog.operations.search import search as search
    from catalog.operations.show import ShownImage as ShownImage
    from catalog.operations.show import ShownRelease as ShownRelease
    from catalog.operations.show import show as show
    from catalog.operations.status import CatalogueStatus as CatalogueStatus
    from catalog.operations.status import Status as Status
    from catalog.operations.status import status as status
    from catalog.operations.subscribe import Subscribed as Subscribed
    from catalog.operations.subscribe import subscribe as subscribe
    from catalog.operations.sync import Synced as Synced
    from catalog.operations.sync import sync as sync
    from catalog.operations.trust import Decided as Decided
    from catalog.operations.trust import Question as Question
    from catalog.operations.trust import accept as accept
    from catalog.operations.trust import list_questions as list_questions
    from catalog.operations.trust import refuse as refuse
    from catalog.operations.unpin import Unpinned as Unpinned
    from catalog.operations.unpin import unpin as unpin
    from catalog.operations.unpin import unpin_older as unpin_older
    from catalog.operations.unsubscribe import Unsubscribed as Unsubscribed
    from catalog.operations.unsubscribe import unsubscribe as unsubscribe
    from catalog.operations.verify import Damage as Damage
    from catalog.operations.verify import Verified as Verified
    from catalog.operations.verify import verify as verify
    from catalog.operations.yank import Yanked as Yanked
    from catalog.operations.yank import yank as yank

_MODULES = {
    "cat": ("OpenedFile", "open_file"),
    "catalogues": ("CatalogueEntry", "catalogues"),
    "check_lock": ("LockProblem", "check_image_name", "check_locked", "locked_reference"),
    "diff": ("Difference", "diff", "diff_files"),
    "doctor": ("Finding", "diagnose", "diagnose_host"),
    "export": ("Exported", "export_catalogue", "export_releases"),
    "export_static": ("ExportedFiles", "export_static"),
    "exposure": ("Exposed", "list_exposed"),
    "fetch_metadata": ("fetch_metadata",),
    "files": ("ListedFile", "ListedFiles", "list_files"),
    "gc": ("Swept", "collect_garbage"),
    "import_": ("Imported", "ImportedImage", "import_bundle"),
    "key": ("KeyInfo", "export_key", "import_key", "show_key", "write_secret"),
    "list": ("ListedName", "list_names", "list_releases"),
    "lock": ("LockedImageName", "lock_image_name", "lock_release", "name_locked", "update_locked"),
    "log": ("LoggedChange", "log"),
    "outdated": ("Outdated", "OutdatedReport", "outdated"),
    "pin": ("Pinned", "pin"),
    "prefer": ("Preferred", "prefer"),
    "publish": ("Published", "publish"),
    "pull": ("Pulled", "VersionChoice", "pull"),
    "recover": ("recover",),
    "remove": ("Removed", "remove"),
    "renew": ("renew",),
    "resolve": ("ResolvedImage", "resolve"),
    "revoke": ("Revoked", "create_revocation", "read_revocation", "revoke"),
    "save": ("Saved", "save"),
    "search": ("Hit", "search"),
    "show": ("ShownImage", "ShownRelease", "show"),
    "status": ("CatalogueStatus", "Status", "status"),
    "subscribe": ("Subscribed", "subscribe"),
    "sync": ("Synced", "sync"),
    "trust": ("Decided", "Question", "accept", "list_questions", "refuse"),
    "unpin": ("Unpinned", "unpin", "unpin_older"),
    "unsubscribe": ("Unsubscribed", "unsubscribe"),
    "verify": ("Damage", "Verified", "verify"),
    "yank": ("Yanked", "yank"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # a name that is not offered is an error to type checkers too

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)


class _Operations(ModuleType):
    """This package. Importing a submodule binds it here by its name; where an operation has that name, it is bound instead."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, getattr(value, name, value) if isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Operations
