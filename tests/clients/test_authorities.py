"""The certificate authorities that are trusted: those of the system and of the variables that curl reads, and a source's own."""

import subprocess
from pathlib import Path

import pytest

from catalog.clients.authorities import Authorities, make_context
from catalog.clients.http import HttpClient
from catalog.errors import InvalidConfigError, UnavailableError
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.lying_source import LyingSource


def is_trusted(certificates: Certificates, variables: dict[str, str], ca_file: Path | None = None) -> bool:
    with LyingSource([], certificate=certificates.server) as source:
        client = HttpClient(source.url, ca_file=ca_file, authorities=Authorities.of_variables(variables))
        try:
            with client.open("GET", "/", answers=(404,)):
                return True
        except UnavailableError:
            return False


@pytest.fixture
def directory(certificates: Certificates, tmp_path: Path) -> Path:
    """A directory of certificates as OpenSSL reads it: by the hash of the name."""
    done = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(certificates.ca)], capture_output=True, text=True, check=True
    )
    (tmp_path / f"{done.stdout.strip()}.0").write_bytes(certificates.ca.read_bytes())
    return tmp_path


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment(certificates: Certificates, variable: str) -> None:
    assert not is_trusted(certificates, {})
    assert is_trusted(certificates, {variable: str(certificates.ca)})


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_directory_of_the_environment(certificates: Certificates, directory: Path, variable: str) -> None:
    assert is_trusted(certificates, {variable: str(directory)})


def test_several_directories(certificates: Certificates, directory: Path) -> None:
    assert is_trusted(certificates, {"SSL_CERT_DIR": f"/nonexistent:{directory}"})


def test_the_systems_store(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))  # where OpenSSL then looks for the system's
    make_context.cache_clear()
    assert is_trusted(certificates, {})
    make_context.cache_clear()


def test_a_ca_file_adds_to_the_others(certificates: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    variables = {"SSL_CERT_FILE": str(other.ca)}
    assert not is_trusted(certificates, variables)
    assert is_trusted(certificates, variables, certificates.ca)
    assert is_trusted(other, variables, certificates.ca)


def test_public_authorities_are_known_without_any_setting() -> None:
    context = make_context(Authorities(), None)
    paths = list(Path("/etc/ssl/certs").glob("*.0"))
    assert context.cert_store_stats()["x509_ca"] > 0 or paths


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_path_without_certificates_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    client = HttpClient("https://127.0.0.1:1", authorities=Authorities.of_variables({"CURL_CA_BUNDLE": str(path)}))
    with pytest.raises(InvalidConfigError, match=f"CURL_CA_BUNDLE names {path}"):
        client.open("GET", "/")
