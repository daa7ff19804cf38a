"""What answers on an engine's socket may be anything: the declared error, bounded time and memory, and nothing else."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from catalog.clients.docker import Engine, EngineImage, connect
from catalog.clients.docker.api import EngineApi
from catalog.clients.docker.feeding import Feeding
from catalog.clients.docker.target import choose_target
from catalog.errors import DcatError, EngineConflictError, EngineUnavailableError, ImageNotFoundError
from catalog.limits import MAX_ENGINE_EVENT, MAX_ENGINE_REPLY
from catalog.model.digest import ConfigDigest, ManifestDigest
from tests.clients.docker.conftest import IDLE, connect_hastily
from tests.factory.images import small_image
from tests.fakes.engine import FakeEngine, Request
from tests.memory import peak_memory

IMAGE_ID = "sha256:" + "1" * 64
NONSENSE: list[Any] = [
    0,
    -1,
    1e300,
    True,
    "",
    "text",
    "\x1b[31m",
    [],
    [None],
    [[]],
    [5],
    {},
    {"Layers": 7},
    {"a": {}},
    "x" * 100_000,
]
FIELDS = ["Id", "RepoTags", "RepoDigests", "Os", "Architecture", "Variant", "Size", "RootFS", "Manifests", "Identity"]


def described(**changes: Any) -> dict[str, Any]:
    return {"Id": IMAGE_ID, "RepoTags": ["web:1"], "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": []}, **changes}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
def test_a_description_with_nonsense_in_it(fake: FakeEngine, engine: Engine, field: str, nonsense: Any) -> None:
    fake.behaviours["/images/json"] = lambda request: request.json([described(**{field: nonsense})])
    fake.behaviours["/json"] = lambda request: request.json(described(**{field: nonsense}))
    calls: list[Callable[[], object]] = [
        lambda: engine.find("web:1"),
        engine.tags,
        lambda: engine.tag_owner("web", "1"),
        engine.incomplete,
        lambda: engine.spare_layers([]),
    ]
    for call in calls:
        with suppress(DcatError):  # no other exception
            call()


@pytest.mark.parametrize("answer", [[], "x", 5, None, {}, {"Id": None}, [[]], {"Id": 5}])
def test_an_answer_that_is_no_description(fake: FakeEngine, engine: Engine, answer: object) -> None:
    fake.behaviours["/json"] = lambda request: request.json(answer)
    with pytest.raises((EngineUnavailableError, ImageNotFoundError)):
        engine.find("web:1")
    fake.behaviours["/images/json"] = lambda request: request.json(answer)
    with suppress(EngineUnavailableError):
        engine.tags()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/version", []),
        ("/version", {"ApiVersion": "1.41", "Components": 5}),
        ("/version", {"ApiVersion": "1.41", "Components": [[]]}),
        ("/version", {"ApiVersion": ["1.41"]}),
        ("/version", {"ApiVersion": "1.41", "Os": {}}),
        ("/info", []),
        ("/info", {"DriverStatus": [5]}),
        ("/info", {"DriverStatus": [[{}, []]]}),
        ("/info", {"Architecture": 64}),
    ],
)
def test_an_engine_that_describes_itself_by_nonsense(fake: FakeEngine, path: str, answer: object) -> None:
    fake.behaviours[path] = lambda request: request.json(answer)
    with pytest.raises(EngineUnavailableError, match="does not answer as an engine does"):
        connect(fake.host, environment={})


def endless(request: Request, piece: bytes) -> None:
    request.begin()
    while not request.fake.released.is_set():
        request.chunk(piece)


@pytest.mark.parametrize("path", ["/json", "/version"])
def test_an_answer_without_end(fake: FakeEngine, path: str) -> None:
    before = peak_memory()
    fake.behaviours[path] = lambda request: endless(request, b'{"a":"' + b"x" * 1_000_000)
    with pytest.raises(EngineUnavailableError, match=r"too long|in time"), connect(fake.host, environment={}) as engine:
        engine.find("web:1")
    assert peak_memory() - before < 4 * MAX_ENGINE_REPLY


def drip(request: Request) -> None:
    request.begin()
    while not request.fake.released.wait(0.1):
        request.chunk(b" ")


def test_an_answer_that_drips(fake: FakeEngine, hasty: Engine) -> None:
    fake.behaviours["/json"] = drip
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="did not end its answer in time"):
        hasty.find("web:1")
    assert time.monotonic() - started < 60


def test_a_refusal_without_end(fake: FakeEngine, engine: Engine) -> None:
    def refuse(request: Request) -> None:
        request.send_response(500)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while not request.fake.released.is_set():
            request.chunk(b"x" * 1_000_000)

    for path in ("/json", "/load", "/get", "/create", "/tag"):
        fake.behaviours[path] = refuse
    uses: list[Callable[[], object]] = [
        lambda: engine.find("web:1"),
        lambda: engine.pull("web:1"),
        lambda: engine.tag(IMAGE_ID, "web", "1"),
        lambda: engine.load(iter([small_image().archive()])),
        lambda: engine.save(EngineImage(IMAGE_ID, (), (), engine.info().platform)).__enter__(),
    ]
    for use in uses:
        with pytest.raises(EngineUnavailableError):
            use()


def test_an_event_without_end(fake: FakeEngine, engine: Engine) -> None:
    before = peak_memory()

    def report(request: Request) -> None:
        request.read_body()
        endless(request, b"x" * 50_000)

    fake.behaviours["/images/load"] = report
    with pytest.raises(EngineUnavailableError, match="malformed event"):
        engine.load(iter([small_image().archive()]))
    assert peak_memory() - before < 40 * MAX_ENGINE_EVENT


def test_events_without_end(fake: FakeEngine) -> None:
    """An engine that reports of a load for ever: the time that it may take is bounded."""

    def report(request: Request) -> None:
        request.read_body()
        request.begin()
        while not request.fake.released.wait(0.01):
            request.chunk(b'{"status":"Loading layer","id":"1"}\n')

    fake.behaviours["/images/load"] = report
    feeding = Feeding(EngineApi(choose_target(fake.host, {}), IDLE), iter([small_image().archive()]), None, load_time=0.3)
    with pytest.raises(EngineUnavailableError, match="did not finish a load"):
        feeding.run(lambda event: None)


@pytest.mark.parametrize("size", [10**30, -(10**30), 2**63])
def test_a_size_that_would_be_waited_for(fake: FakeEngine, engine: Engine, size: int) -> None:
    fake.behaviours["/get"] = lambda request: request.json({"message": "no"}, 500)
    with pytest.raises(EngineUnavailableError), engine.save(EngineImage(IMAGE_ID, (), (), engine.info().platform, size=size)):
        pass


@pytest.mark.parametrize("said", ["other", "sha256:" + "2" * 64, "../../info", "web:1", "x" * 5000, "-f"])
def test_an_engine_that_says_it_loaded_something_else(fake: FakeEngine, engine: Engine, said: str) -> None:
    image = small_image()

    def load(request: Request) -> None:
        request.read_body()
        request.begin()
        request.chunk(json.dumps({"stream": f"Loaded image: {said}"}).encode() + b"\n")
        request.chunk(b"")

    fake.behaviours["/images/load"] = load
    fake.behaviours["/images/json"] = lambda request: request.json([])
    fake.behaviours["/json"] = lambda request: request.json(described(Id="sha256:" + "2" * 64, RepoTags=["web:1", "other:latest"]))
    loaded = engine.load(iter([image.archive()]))
    with pytest.raises(DcatError):
        engine.check_loaded(loaded, image.config_digest, ManifestDigest.of(image.manifest), image.diff_ids)


def test_an_engine_that_names_another_image_by_the_right_id(fake: FakeEngine, engine: Engine) -> None:
    fake.behaviours["/json"] = lambda request: request.json(described(RootFS={"Layers": ["sha256:" + "3" * 64]}))
    from catalog.clients.docker import LoadedImage

    config, manifest = ConfigDigest.parse(IMAGE_ID), ManifestDigest.of(b"")
    with pytest.raises(EngineConflictError, match="other layers"):
        engine.check_loaded(LoadedImage(IMAGE_ID), config, manifest, [])


def test_a_redirect_is_not_followed(fake: FakeEngine, engine: Engine) -> None:
    def redirect(request: Request) -> None:
        request.send_response(302)
        request.send_header("Location", "http://127.0.0.1:1/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    for path in ("/json", "/tag", "/get"):
        fake.behaviours[path] = redirect
    with pytest.raises(EngineUnavailableError, match="refused"):
        engine.find("web:1")
    with pytest.raises(EngineUnavailableError, match="refused"):
        engine.tag(IMAGE_ID, "web", "1")
    with pytest.raises(EngineUnavailableError, match="refused"):
        engine.save(EngineImage(IMAGE_ID, (), (), engine.info().platform)).__enter__()


@pytest.mark.parametrize("path", ["/version", "/info", "/json"])
def test_a_compressed_answer_that_explodes(fake: FakeEngine, path: str) -> None:
    import gzip

    bomb = gzip.compress(b" " * 2 * MAX_ENGINE_REPLY)

    def send(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(bomb)))
        request.end_headers()
        request.wfile.write(bomb)

    fake.behaviours[path] = send
    with pytest.raises(EngineUnavailableError), connect(fake.host, environment={}) as engine:
        engine.find("web:1")


@pytest.mark.parametrize("path", ["/version", "/info", "/json", "/tag", "/get", "/create"])
def test_headers_that_drip(fake: FakeEngine, path: str) -> None:
    def drip_headers(request: Request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not request.fake.released.wait(0.1):
            request.wfile.write(b"x")
            request.wfile.flush()

    fake.behaviours[path] = drip_headers
    connecting = path in ("/version", "/info")
    started = time.monotonic()
    with (
        pytest.raises(EngineUnavailableError, match="did not answer within"),
        connect(fake.host, environment={}, idle_timeout=IDLE) if connecting else connect_hastily(fake, 0.3) as engine,
    ):
        {
            "/json": lambda: engine.find("web:1"),
            "/tag": lambda: engine.tag(IMAGE_ID, "web", "1"),
            "/get": lambda: engine.save(EngineImage(IMAGE_ID, (), (), engine.info().platform)).__enter__(),
            "/create": lambda: engine.pull("web:1"),
        }.get(path, engine.tags)()
    assert time.monotonic() - started < 60
