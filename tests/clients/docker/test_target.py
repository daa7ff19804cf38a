"""Which engine is meant: Docker's own rules. Safety row C14."""

import hashlib
import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from catalog.clients.docker import connect
from catalog.clients.docker.target import TlsFiles, choose_target, other_socket
from catalog.errors import EngineUnavailableError, NotFoundError, UnavailableError
from tests.fakes.engine import fake_engine


def write_context(config_dir: Path, name: str, host: str, *, certs: bool = False, current: bool = False) -> Path:
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = config_dir / "contexts" / "meta" / folder
    meta.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}), encoding="utf-8")
    tls = config_dir / "contexts" / "tls" / folder / "docker"
    if certs:
        tls.mkdir(parents=True)
    if current:
        (config_dir / "config.json").write_text(json.dumps({"currentContext": name}), encoding="utf-8")
    return tls


def pem_files(folder: Path, *, verify: bool = True) -> TlsFiles:
    return TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", verify)


def test_the_order_is_that_of_docker(tmp_path: Path) -> None:
    config_dir = tmp_path / ".docker"
    write_context(config_dir, "colima", "unix:///colima.sock", current=True)
    write_context(config_dir, "far", "ssh://user@host")
    home = {"HOME": str(tmp_path)}
    chosen = [
        choose_target("tcp://given:1", {**home, "DOCKER_HOST": "unix:///other.sock"}),
        choose_target(None, {**home, "DOCKER_HOST": "unix:///other.sock", "DOCKER_CONTEXT": "far"}),
        choose_target(None, {**home, "DOCKER_CONTEXT": "far"}),
        choose_target(None, home),
        choose_target(None, {**home, "DOCKER_CONTEXT": "default"}),
        choose_target(None, {**home, "DOCKER_CONFIG": str(tmp_path / "elsewhere")}),
        choose_target(None, {"DOCKER_CONFIG": str(config_dir)}),
        choose_target(None, {}),
    ]
    assert [(target.host, target.origin) for target in chosen] == [
        ("tcp://given:1", "given"),
        ("unix:///other.sock", "DOCKER_HOST"),
        ("ssh://user@host", "context far"),
        ("unix:///colima.sock", "context colima"),
        ("unix:///var/run/docker.sock", "default"),
        ("unix:///var/run/docker.sock", "default"),
        ("unix:///colima.sock", "context colima"),
        ("unix:///var/run/docker.sock", "default"),
    ]
    assert chosen[2].address == "ssh://host"


def test_tls_is_what_the_environment_or_the_context_says(tmp_path: Path) -> None:
    config_dir = tmp_path / ".docker"
    files = write_context(config_dir, "far", "tcp://far:2376", certs=True)
    home = {"HOME": str(tmp_path)}
    assert choose_target(None, {**home, "DOCKER_CONTEXT": "far"}).tls == pem_files(files)
    tcp = {**home, "DOCKER_HOST": "tcp://x:2376"}
    assert choose_target(None, tcp).tls is None
    assert choose_target(None, {**tcp, "DOCKER_CERT_PATH": "/certs"}).tls is None
    certs = pem_files(Path("/certs"))
    assert choose_target(None, {**tcp, "DOCKER_CERT_PATH": "/certs", "DOCKER_TLS_VERIFY": "1"}).tls == certs
    unverified = choose_target(None, {**tcp, "DOCKER_TLS": "1"}).tls
    assert unverified == pem_files(config_dir, verify=False)
    assert choose_target(None, {**home, "DOCKER_HOST": "unix:///s", "DOCKER_TLS_VERIFY": "1"}).tls is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"currentContext": 7}', "[" * 100_000, '{"currentContext": ""}'])
def test_settings_that_cannot_be_read_mean_the_default(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    assert choose_target(None, {"DOCKER_CONFIG": str(tmp_path)}).origin == "default"


@pytest.mark.parametrize(
    "meta", [None, "", "{}", '{"Endpoints": []}', '{"Endpoints": {"docker": 1}}', '{"Endpoints": {"docker": {}}}']
)
def test_a_context_that_is_not_there_is_an_error(tmp_path: Path, meta: str | None) -> None:
    if meta is not None:
        folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"gone").hexdigest()
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(meta, encoding="utf-8")
    with pytest.raises(EngineUnavailableError) as caught:
        choose_target(None, {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "gone"})
    assert '"gone"' in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        "[" * 100_000,
        '{"auths": 7}',
        '{"auths": {"x": 7}}',
        '{"credHelpers": 7}',
        '{"auths": {"x": {"auth": "?"}}}',
    ],
)
def test_settings_of_any_kind_do_not_keep_from_the_engine(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    folder = tmp_path_factory.mktemp("s")
    (folder / "config.json").write_text(content, encoding="utf-8")
    with fake_engine(folder) as fake, connect(fake.host, environment={"DOCKER_CONFIG": str(folder)}) as engine:
        assert engine.info().version == "0.fake"
        with pytest.raises((NotFoundError, UnavailableError)):
            engine.pull("web:1")


@pytest.mark.parametrize("content", ["[]", '{"auths": 7}', '{"auths": {"x": {"auth": "?"}}}'])
def test_settings_of_the_real_environment_keep_from_a_login_only(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """docker-py, which finds logins, reads the real environment's settings, too, whatever it is told."""
    folder = tmp_path_factory.mktemp("s")
    (folder / "config.json").write_text(content, encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    with fake_engine(folder) as fake, connect(fake.host, environment={}) as engine:
        assert engine.info().version == "0.fake"
        with pytest.raises(UnavailableError) as caught:
            engine.pull("web:1")
        assert "login" in caught.value.message


def test_a_login_that_cannot_be_had_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("l")
    (folder / "config.json").write_text('{"credsStore": "that-does-not-exist"}', encoding="utf-8")
    with fake_engine(folder) as fake, connect(fake.host, environment={"DOCKER_CONFIG": str(folder)}) as engine:
        with pytest.raises(UnavailableError) as caught:
            engine.pull("registry.example/web:1")
        assert "registry.example/web" in caught.value.message


def test_the_socket_of_another_engine_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("h")
    assert other_socket({"XDG_RUNTIME_DIR": str(home), "HOME": str(home)}) in {None, "unix:///run/podman/podman.sock"}
    (home / "podman").mkdir()
    with fake_engine(home / "podman"):
        (home / "podman" / "engine.sock").rename(home / "podman" / "podman.sock")
        assert other_socket({"XDG_RUNTIME_DIR": str(home)}) == f"unix://{home}/podman/podman.sock"


def test_contexts_and_hosts_reach_their_engine(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("c")
    with fake_engine(folder) as first, fake_engine(folder, tcp=True) as second:
        write_context(folder, "mine", first.host, current=True)
        with connect(environment={"DOCKER_CONFIG": str(folder)}) as engine:
            assert (engine.info().target, engine.info().origin) == (first.host, "context mine")
        with connect(environment={"DOCKER_CONFIG": str(folder), "DOCKER_HOST": second.host}) as engine:
            assert (engine.info().target, engine.info().origin) == (second.host, "DOCKER_HOST")
        with connect(second.host, environment={"DOCKER_CONFIG": str(folder)}) as engine:
            assert engine.info().version == "0.fake"


@pytest.mark.parametrize(
    "host", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "fd://3", "tcp://", "nonsense://x", "ssh://h", "tcp://[::1"]
)
def test_an_engine_that_is_not_there_is_named(host: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        connect(host, environment={}, idle_timeout=2)
    assert host in caught.value.message
    assert "DOCKER_HOST" in caught.value.hint


def test_engines_over_tls_are_checked(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    context = certificates(folder)
    other = folder / "other"
    other.mkdir()
    certificates(other)
    with fake_engine(folder, tls=context) as fake:
        environment = {"DOCKER_HOST": fake.host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
        with connect(environment=environment) as engine:
            assert engine.info().version == "0.fake"
        with pytest.raises(EngineUnavailableError):
            connect(environment={**environment, "DOCKER_CERT_PATH": str(other)})
        with pytest.raises(EngineUnavailableError):
            connect(environment={**environment, "DOCKER_CERT_PATH": str(folder / "none")})


def certificates(folder: Path) -> ssl.SSLContext:
    """Make a key and a certificate that is its own authority, for 127.0.0.1; the server asks its clients for the same."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * 100))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, content in (("ca.pem", pem), ("cert.pem", pem), ("key.pem", secret)):
        (folder / file).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    "host", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "tcp://nowhere.invalid:2375", "ssh://h", "nonsense://x", "x"]
)
def test_why_an_engine_does_not_answer_is_said_plainly(host: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        connect(host, environment={}, idle_timeout=5)
    said = f"{caught.value.message} {caught.value.why} {caught.value.hint}"
    assert caught.value.why
    for noise in ("Errno", "HTTPConnectionPool", "object at 0x", "Adapter", "Error("):
        assert noise not in said
