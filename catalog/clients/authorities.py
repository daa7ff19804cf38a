"""Which certificate authorities are trusted, by values that the caller read from the environment: those that curl trusts.

Any of ``CURL_CA_BUNDLE``, ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replaces the system's store, and several
add up; where the system has no store, the one that comes with requests is used. A source's own ``ca-file`` adds to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

from catalog.errors import InvalidConfigError

if TYPE_CHECKING:
    import ssl

_FILES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_DIRECTORIES = ("SSL_CERT_DIR",)


@dataclass(frozen=True, slots=True)
class Authorities:
    """What the environment says about authorities: pairs of a variable and a path."""

    paths: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_variables(cls, variables: Mapping[str, str]) -> Self:
        """Return what the variables of an environment say."""
        files = [(name, variables[name]) for name in _FILES if variables.get(name)]
        directories = [
            (name, path) for name in _DIRECTORIES for path in variables.get(name, "").split(":") if path and Path(path).is_dir()
        ]
        return cls((*files, *directories))


@lru_cache(maxsize=16)
def make_context(authorities: Authorities, ca_file: Path | None) -> "ssl.SSLContext":
    """Return a context that verifies servers by these authorities; raise `InvalidConfigError` for a path without any."""
    import ssl  # 10 ms, for requests over TLS only

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for variable, path in authorities.paths:
        _load(context, Path(path), f"{variable} names")
    if not authorities.paths:
        _load_system(context)
    if ca_file is not None:
        _load(context, ca_file, "ca-file names")
    return context


def _load(context: "ssl.SSLContext", path: Path, what: str) -> None:
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:  # ssl's are of this kind, and have no text of use
        why = "the file does not exist" if not path.exists() else "it holds no certificate in PEM form"
        raise InvalidConfigError(f"{what} {path}, which cannot be read as certificates", why=why) from error


def _load_system(context: "ssl.SSLContext") -> None:
    import ssl

    context.load_default_certs()
    paths = ssl.get_default_verify_paths()
    has_directory = paths.capath is not None and any(Path(paths.capath).iterdir())
    if not has_directory and not context.cert_store_stats()["x509_ca"]:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
