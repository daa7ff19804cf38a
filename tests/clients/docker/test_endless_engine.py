"""An engine that never comes to an end in one answer: each step is given up in a bounded time, with bounded memory."""

import json
from collections.abc import Callable

import pytest

from catalog.clients.docker import Engine, EngineImage
from catalog.clients.docker import engine as engine_module
from catalog.clients.docker.api import EngineApi
from catalog.clients.docker.feeding import Feeding
from catalog.clients.docker.target import choose_target
from catalog.errors import ArchiveError, DcatError, EngineUnavailableError
from catalog.image.archive import Export, read_export
from catalog.image.dag import LayerWriter
from catalog.model.digest import DiffID
from tests.clients.docker.conftest import IDLE, connect_hastily
from tests.factory.archives import MemoryBlocks
from tests.factory.images import small_image
from tests.factory.tars import make_tar
from tests.fakes.engine import FakeEngine, Request
from tests.memory import peak_memory

IMAGE_ID = "sha256:" + "1" * 64
DESCRIBED = {"Id": IMAGE_ID, "RepoTags": ["web:1"], "Os": "linux", "Architecture": "amd64", "RootFS": {"Layers": []}}


def headers(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not request.fake.released.wait(0.05):
        request.wfile.write(b"x")
        request.wfile.flush()


def interim(request: Request) -> None:
    while not request.fake.released.wait(0.001):
        request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def trailers(request: Request) -> None:
    request.begin()
    request.wfile.write(b"0\r\n")
    while not request.fake.released.wait(0.001):
        request.wfile.write(b"X: y\r\n")


@pytest.mark.parametrize("answer", [headers, interim, trailers])
def test_a_load_that_is_answered_without_end(fake: FakeEngine, answer: Callable[[Request], None]) -> None:
    def load(request: Request) -> None:
        request.read_body()
        answer(request)

    fake.behaviours["/images/load"] = load
    feeding = Feeding(EngineApi(choose_target(fake.host, {}), IDLE), iter([small_image().archive()]), None, load_time=0.3)
    with pytest.raises(EngineUnavailableError, match="did not finish a load"):
        feeding.run(lambda event: None)


@pytest.mark.parametrize("answer", [headers, interim, trailers])
def test_a_question_that_is_answered_without_end(fake: FakeEngine, answer: Callable[[Request], None]) -> None:
    fake.behaviours["/json"] = answer
    with connect_hastily(fake, 0.2) as engine, pytest.raises(EngineUnavailableError):
        engine.find("web:1")


@pytest.mark.parametrize(
    ("path", "asked", "use"),
    [
        ("/json", "GET /images/web:1/json", lambda engine: engine.find("web:1")),
        ("/tag", f"POST /images/{IMAGE_ID}/tag", lambda engine: engine.tag(IMAGE_ID, "web", "1")),
        ("/get", f"GET /images/{IMAGE_ID}/get", lambda engine: take(engine)),
        ("/load", "POST /images/load", lambda engine: engine.load(iter([small_image().archive()]))),
        ("/create", "POST /images/create", lambda engine: engine.pull("web:1")),
        ("/push", "POST /images/web/push", lambda engine: engine.push("web", "1", ("", ""))),
    ],
)
def test_what_an_engine_was_asked_for_is_named(
    fake: FakeEngine, hasty: Engine, path: str, asked: str, use: Callable[[Engine], object]
) -> None:
    fake.behaviours[path] = Request.stall
    with pytest.raises(EngineUnavailableError, match="said nothing for") as caught:
        use(hasty)
    assert f"it was asked for {asked};" in caught.value.why


@pytest.mark.parametrize("path", ["/create", "/push"])
def test_events_of_a_registry_that_never_end(fake: FakeEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(engine_module, "ENGINE_PULL_TIME", 0.3)
    monkeypatch.setattr(engine_module, "ENGINE_LOAD_TIME", 0.3)

    def report(request: Request) -> None:
        request.begin()
        while not request.fake.released.wait(0.01):
            request.chunk(b'{"status":"Pushing"}\n')

    fake.behaviours[path] = report
    with pytest.raises(EngineUnavailableError, match="did not finish in time"):
        engine.pull("web:1") if path == "/create" else engine.push("web", "1", ("", ""))


@pytest.mark.parametrize("event", [{"stream": "Loaded image: " + "y" * 100_000}, {"error": "y" * 100_000}])
def test_reports_of_a_load_are_not_gathered(fake: FakeEngine, engine: Engine, event: object) -> None:
    before = peak_memory()

    def report(request: Request) -> None:
        request.read_body()
        request.begin()
        for _ in range(2000):
            request.chunk(json.dumps(event).encode() + b"\n")
        request.chunk(b"")

    fake.behaviours["/images/load"] = report
    with pytest.raises(DcatError) as caught:
        engine.load(iter([small_image().archive()]))
    assert len(caught.value.why) < 1_000_000
    assert peak_memory() - before < 64 << 20


def test_one_chunk_of_events_is_not_gathered(fake: FakeEngine, engine: Engine) -> None:
    before = peak_memory()

    def report(request: Request) -> None:
        request.read_body()
        request.begin()
        request.wfile.write(b"%x\r\n" % (1 << 30))
        for _ in range(1000):
            request.wfile.write(b"x" * 1_000_000)

    fake.behaviours["/images/load"] = report
    with pytest.raises(EngineUnavailableError, match="malformed event"):
        engine.load(iter([small_image().archive()]))
    assert peak_memory() - before < 64 << 20


def take(engine: Engine) -> Export:
    with engine.save(EngineImage(IMAGE_ID, (), (), engine.info().platform)) as stream:
        return read_export(iter(lambda: stream.read(1 << 20), b""), lambda: LayerWriter(MemoryBlocks()))


def test_an_export_that_drips(fake: FakeEngine, hasty: Engine) -> None:
    data = make_tar({"layer": bytes(100_000)})

    def drip(request: Request) -> None:
        request.begin()
        for byte in data:
            if request.fake.released.wait(0.02):
                return
            request.chunk(bytes([byte]))

    fake.behaviours["/get"] = drip
    with pytest.raises(EngineUnavailableError, match="is too slow"):
        take(hasty)


def test_an_export_that_goes_on_after_it_was_refused(fake: FakeEngine, engine: Engine) -> None:
    """The engine's error is looked for at the end of the stream; an end that does not come is not waited for."""

    def garbage(request: Request) -> None:
        request.begin()
        while not request.fake.released.is_set():
            request.chunk(b"\x01x" * 250_000)

    fake.behaviours["/get"] = garbage
    with pytest.raises(ArchiveError, match="not a tar archive"):
        take(engine)


@pytest.mark.parametrize(
    "words", [b'{"message":' + b"[" * 7000, b'{"message":"' + b"m" * 8000 + b'"}', b'{"message":' + b"1" * 5000]
)
def test_last_words_of_any_form(fake: FakeEngine, engine: Engine, words: bytes) -> None:
    def say(request: Request) -> None:
        request.begin()
        request.chunk(b"\x01x" * 600 + words)
        request.chunk(b"")

    fake.behaviours["/get"] = say
    with pytest.raises((ArchiveError, EngineUnavailableError)) as caught:
        take(engine)
    assert len(caught.value.why) < 2000


@pytest.mark.parametrize("size", [10**400, -(10**400), 10**4000])
def test_numbers_that_cannot_be_reckoned_with(fake: FakeEngine, engine: Engine, size: int) -> None:
    fake.behaviours["/images/json"] = lambda request: request.json([{**DESCRIBED, "Size": size}])
    fake.behaviours["/web:1/json"] = lambda request: request.json({**DESCRIBED, "Size": size})
    with pytest.raises(EngineUnavailableError, match="does not answer as an engine does"):
        take_size(engine)
    shown: list[object] = []
    fake.behaviours["/create"] = lambda request: events(request, {"progressDetail": {"current": size, "total": size}})
    engine.pull("web:1", progress=shown.append)
    assert shown == []


def take_size(engine: Engine) -> None:
    with engine.save(engine.find("web:1")):
        pass


def events(request: Request, event: object) -> None:
    request.begin()
    request.chunk(json.dumps(event).encode() + b"\n")
    request.chunk(b"")


def test_a_refusal_is_shown_in_part(fake: FakeEngine, engine: Engine) -> None:
    fake.behaviours["/json"] = lambda request: request.json({"message": "m" * 10_000_000}, 500)
    with pytest.raises(EngineUnavailableError) as caught:
        engine.find("web:1")
    assert len(caught.value.why) < 2000


def test_a_list_of_images_that_takes_for_ever(fake: FakeEngine, hasty: Engine) -> None:
    """Each image of the list is asked for; slow answers end that, and the layers that are not known are sent."""
    images = [{**DESCRIBED, "Id": f"sha256:{number:064d}"} for number in range(1000)]
    fake.behaviours["/images/json"] = lambda request: request.json(images)

    def describe(request: Request) -> None:
        request.fake.released.wait(0.05)
        request.json(DESCRIBED)

    fake.behaviours["/json"] = describe
    assert hasty.spare_layers([DiffID(bytes(32))]) == frozenset()
    assert len(fake.paths) < 50
