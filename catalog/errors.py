"""The errors that dcat raises, one class for each fact.

::

    DcatError
    ├── InvalidInputError             input that a grammar refuses
    │   ├── InvalidReferenceError
    │   ├── InvalidNameError
    │   ├── InvalidVersionError
    │   ├── InvalidDigestError
    │   ├── InvalidPlatformError
    │   ├── InvalidIpnsNameError      text or bytes that are not an IPNS name
    │   └── InvalidConfigError        a setting that does not exist, or a value that does not fit
    ├── NotFoundError
    │   ├── ReleaseNotFoundError
    │   ├── CatalogueNotFoundError
    │   ├── PlatformNotFoundError
    │   ├── PathNotFoundError         no such file in an image
    │   ├── ImageNotFoundError        the engine or an export does not hold it
    │   └── ImageIncompleteError      the engine lists it and cannot export it
    ├── LockedError                   another process holds a lock, or time ran out
    ├── VerificationError             bytes do not match their CID, or violate their format
    │   ├── BlockMismatchError
    │   ├── UnwantedBlocksError       a source sends blocks that were not requested
    │   ├── CidError
    │   ├── CodecError                dag-pb, DAG-CBOR, CAR, UnixFS
    │   ├── ArchiveError              an export of an image
    │   ├── EncoderError              this host's zstd encoder is not the format's
    │   ├── RecordError               an IPNS record or key
    │   ├── SnapshotError
    │   ├── DeltaError
    │   └── CorruptHomeError
    ├── RollbackError                 a catalogue went backwards, or has two values for one sequence
    ├── RecordExpiredError
    ├── ReleaseConflictError          a release's content changed, or would change
    ├── AmbiguousReferenceError       a version, an alias or a choice is missing
    ├── UnavailableError              no source has it, or none could be reached
    │   ├── BlockNotFoundError
    │   └── SourceTimeoutError        silent, or slower than the limits allow
    ├── StorageError                  full, or not writable
    ├── NewerHomeError                the home was written by a newer dcat
    ├── EngineConflictError           the tag exists with other content, or another image was loaded
    │   └── EngineLayerMissingError   a layer that a load omitted is no longer in the engine
    └── EngineUnavailableError

``code`` is stable: scripts read it from ``--json``. The message says what failed with the user's own words in it; ``why`` and
``hint`` are the other two parts of what people see. Hints that name a command are added in ``cli/``.
``nearest`` holds suggestions, best first, each in the form in which it replaces the text that the message quotes
(`catalog.model.reference.nearest`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # see catalog.record
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar


class DcatError(Exception):
    """The base class of all errors of dcat: a message with a stable code, a reason and a hint."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, why: str = "", hint: str = "", nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint
        self.nearest = tuple(nearest)


class InvalidInputError(DcatError):
    code = "invalid-input"


class InvalidReferenceError(InvalidInputError):
    code = "invalid-reference"


class InvalidNameError(InvalidInputError):
    code = "invalid-name"


class InvalidVersionError(InvalidInputError):
    code = "invalid-version"


class InvalidDigestError(InvalidInputError):
    code = "invalid-digest"


class InvalidPlatformError(InvalidInputError):
    code = "invalid-platform"


class InvalidIpnsNameError(InvalidInputError):
    code = "invalid-ipns-name"


class InvalidConfigError(InvalidInputError):
    code = "invalid-config"


class NotFoundError(DcatError):
    code = "not-found"


class ReleaseNotFoundError(NotFoundError):
    code = "release-not-found"


class CatalogueNotFoundError(NotFoundError):
    code = "catalogue-not-found"


class PlatformNotFoundError(NotFoundError):
    code = "platform-not-found"


class PathNotFoundError(NotFoundError):
    code = "path-not-found"


class ImageNotFoundError(NotFoundError):
    """``nearest`` are similar tags of the engine, the likeliest first."""

    code = "image-not-found"

    def __init__(self, message: str, *, why: str = "", hint: str = "", nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message, why=why, hint=hint)
        self.nearest = nearest


class ImageIncompleteError(NotFoundError):
    code = "image-incomplete"


class LockedError(DcatError):
    code = "locked"


class VerificationError(DcatError):
    code = "verification-failed"


class BlockMismatchError(VerificationError):
    code = "block-mismatch"


class UnwantedBlocksError(VerificationError):
    code = "unwanted-blocks"


class CidError(VerificationError):
    code = "invalid-cid"


class CodecError(VerificationError):
    code = "malformed-block"


class ArchiveError(VerificationError):
    code = "malformed-archive"


class EncoderError(VerificationError):
    code = "encoder-mismatch"


class RecordError(VerificationError):
    code = "invalid-record"


class SnapshotError(VerificationError):
    code = "malformed-snapshot"


class DeltaError(VerificationError):
    code = "malformed-delta"


class CorruptHomeError(VerificationError):
    code = "home-corrupt"


class RollbackError(DcatError):
    code = "catalogue-rollback"


class RecordExpiredError(DcatError):
    code = "record-expired"


class ReleaseConflictError(DcatError):
    code = "release-conflict"


class AmbiguousReferenceError(DcatError):
    code = "ambiguous-reference"


class UnavailableError(DcatError):
    code = "unavailable"


class BlockNotFoundError(UnavailableError):
    code = "block-not-found"


class SourceTimeoutError(UnavailableError):
    code = "source-timeout"


class StorageError(DcatError):
    code = "storage"


class NewerHomeError(DcatError):
    code = "home-newer"


class EngineConflictError(DcatError):
    code = "engine-conflict"


class EngineLayerMissingError(EngineConflictError):
    code = "engine-layer-missing"


class EngineUnavailableError(DcatError):
    code = "engine-unavailable"
