"""Engines that stall, break off, or are interrupted: docs/safety.md C10, with its time limits scaled down."""

import io
import os
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from catalog.clients.docker import Engine, EngineImage, connect
from catalog.errors import (
    ArchiveError,
    EngineConflictError,
    EngineLayerMissingError,
    EngineUnavailableError,
    ImageNotFoundError,
    StorageError,
    VerificationError,
)
from catalog.model.platform import parse_platform
from tests.clients.docker.conftest import IDLE
from tests.factory.images import make_image, small_image
from tests.factory.tars import make_layer
from tests.fakes.engine import FakeEngine, Request

IMAGE = EngineImage("sha256:" + "1" * 64, ("web:1",), (), parse_platform("linux/amd64"))


def endless() -> Iterator[bytes]:
    """Yield an archive whose blobs of 1 MiB never end."""
    yield from (small_image(str(place)).archive()[:-1024] for place in range(1_000_000))


def names_a_restart(error: EngineUnavailableError) -> bool:
    return "restart the Docker daemon" in error.hint and f"said nothing for {IDLE:g} s" in error.message


def test_an_engine_that_never_answers_is_named(fake: FakeEngine) -> None:
    fake.behaviours["/version"] = Request.stall
    with pytest.raises(EngineUnavailableError) as caught:
        connect(fake.host, environment={}, idle_timeout=IDLE)
    assert "restart the Docker daemon" in caught.value.hint
    assert fake.host in caught.value.message


@pytest.mark.parametrize("read_first", [0, 3_000_000, None])
def test_a_load_that_stalls_ends_with_what_helps(fake: FakeEngine, hasty: Engine, read_first: int | None) -> None:
    def stall(request: Request) -> None:
        request.read_body(read_first)
        request.stall()

    fake.behaviours["/images/load"] = stall
    chunks = endless() if read_first is not None else iter([small_image().archive()])
    with pytest.raises(EngineUnavailableError) as caught:
        hasty.load(chunks)
    assert names_a_restart(caught.value)


def test_a_load_that_stalls_while_it_talks_ends(fake: FakeEngine, hasty: Engine) -> None:
    def stall(request: Request) -> None:
        request.read_body()
        request.begin()
        request.chunk(b'{"status":"Loading layer","progressDetail":{"current":1,"total":2},"id":"1"}\r\n')
        request.stall()

    fake.behaviours["/images/load"] = stall
    steps: list[object] = []
    with pytest.raises(EngineUnavailableError) as caught:
        hasty.load(iter([small_image().archive()]), progress=steps.append)
    assert names_a_restart(caught.value)
    assert len(steps) == 1


@pytest.mark.long
def test_the_real_limit_is_a_minute(fake: FakeEngine) -> None:
    def stall(request: Request) -> None:
        request.read_body()
        fake.released.wait(100)

    fake.behaviours["/images/load"] = stall
    with connect(fake.host, environment={}) as engine:
        start = time.monotonic()
        with pytest.raises(EngineUnavailableError) as caught:
            engine.load(iter([small_image().archive()]))
        assert 60 <= time.monotonic() - start <= 61
    assert "restart the Docker daemon" in caught.value.hint


@pytest.mark.parametrize("said", [b"", b"x" * 100_000])
def test_an_export_that_stalls_ends_with_what_helps(fake: FakeEngine, hasty: Engine, said: bytes) -> None:
    def stall(request: Request) -> None:
        if said:
            request.begin()
            request.chunk(said)
        request.stall()

    fake.behaviours["/get"] = stall
    with pytest.raises(EngineUnavailableError) as caught, hasty.save(IMAGE) as stream:
        stream.read()
    assert names_a_restart(caught.value)


def test_an_export_that_is_cut_off_is_an_error(fake: FakeEngine, engine: Engine) -> None:
    def cut(request: Request) -> None:
        request.begin()
        request.chunk(b"x" * 100_000)
        request.close_connection = True

    fake.behaviours["/get"] = cut
    with pytest.raises(EngineUnavailableError) as caught, engine.save(IMAGE) as stream:
        stream.read()
    assert "broke" in caught.value.message


def read_as_no_archive(engine: Engine) -> None:
    with engine.save(IMAGE) as stream:
        stream.read(100)
        raise ArchiveError("not a tar, or one that goes on as JSON")


def test_what_an_engine_says_at_the_end_of_an_export_is_told(fake: FakeEngine, engine: Engine) -> None:
    def fail(request: Request) -> None:
        request.begin()
        request.chunk(b"x" * 1000)
        request.chunk(b'{"message":"open layer.tar: input/output error"}\n')
        request.chunk(b"")

    fake.behaviours["/get"] = fail
    with pytest.raises(EngineUnavailableError) as caught:
        read_as_no_archive(engine)
    assert caught.value.why == "open layer.tar: input/output error"


def test_a_malformed_export_stays_a_malformed_export(fake: FakeEngine, engine: Engine) -> None:
    def answer(request: Request) -> None:
        request.begin()
        request.chunk(b"x" * 1000)
        request.chunk(b"")

    fake.behaviours["/get"] = answer
    with pytest.raises(ArchiveError):
        read_as_no_archive(engine)


def test_an_export_that_is_refused_is_an_error(fake: FakeEngine, engine: Engine) -> None:
    with pytest.raises(ImageNotFoundError), engine.save(IMAGE):
        pass
    fake.behaviours["/get"] = lambda request: request.json({"message": "no space left on device"}, 500)
    with pytest.raises(EngineUnavailableError) as caught, engine.save(IMAGE):
        pass
    assert "no space left" in caught.value.why


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ('{"errorDetail":{"message":"open /x/blobs/sha256/1: no such file or directory"}}', EngineLayerMissingError),
        ('{"error":"open /x: no such file or directory"}', EngineLayerMissingError),
        ('{"errorDetail":{"message":"invalid diffID for layer 0"}}', EngineConflictError),
        ('{"errorDetail":{"message":"write: no space left on device"}}', EngineUnavailableError),
        ('{"stream":"Error unpacking image x: failed to extract layer"}', EngineConflictError),
        ('{"stream":"nothing to say"}', EngineConflictError),
        ("[]", EngineConflictError),
        ("no JSON", EngineUnavailableError),
        ("[" * 100_000, EngineUnavailableError),
    ],
)
def test_failures_in_the_stream_are_errors(fake: FakeEngine, engine: Engine, event: str, error: type[Exception]) -> None:
    def answer(request: Request) -> None:
        request.read_body()
        request.begin()
        request.chunk(event.encode() + b"\r\n")
        request.chunk(b"")

    fake.behaviours["/images/load"] = answer
    with pytest.raises(error) as caught:
        engine.load(iter([small_image().archive()]))
    assert type(caught.value) is error


@pytest.mark.parametrize("failure", [VerificationError("a block that lies"), StorageError("a disk that fails"), OSError("a disk")])
def test_what_the_archive_raises_comes_through(fake: FakeEngine, engine: Engine, failure: Exception) -> None:
    def chunks() -> Iterator[bytes]:
        yield small_image().archive()[:5000]
        raise failure

    fake.behaviours["/images/load"] = lambda request: request.read_body()
    with pytest.raises(type(failure)) as caught:
        engine.load(chunks())
    assert caught.value is failure
    assert not fake.body_ended.is_set()


def interrupt_soon(moment: threading.Event) -> None:
    def send() -> None:
        moment.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_stops_feeding_where_a_blob_ends(fake: FakeEngine) -> None:
    feeding, cut = threading.Event(), threading.Event()
    image = make_image([make_layer({"data": bytes([place]) * 700_000}) for place in range(40)])
    archive = image.archive()

    def answer(request: Request) -> None:
        request.read_body(1_200_000)
        feeding.set()
        request.read_body()
        cut.set()

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(archive), 30_000):
            if start > 2_000_000:
                cut.wait(0.005)  # a blob in about 0.2 s: the interrupt comes in the middle of one
            yield archive[start : start + 30_000]

    fake.behaviours["/images/load"] = answer
    interrupt_soon(feeding)
    with connect(fake.host, environment={}) as engine, pytest.raises(KeyboardInterrupt):
        engine.load(slowly())
    assert cut.wait(60)
    assert not fake.body_ended.is_set()
    received = bytes(fake.received)
    assert received == archive[: len(received)]
    assert len(received) in ends_of_members(archive)


def ends_of_members(archive: bytes) -> set[int]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.offset for member in tar}


def save(engine: Engine) -> None:
    with engine.save(IMAGE) as stream:
        stream.read()


USES: dict[str, Callable[[Engine], object]] = {
    "/images/load": lambda engine: engine.load(endless()),
    "/get": save,
    "/images/create": lambda engine: engine.pull("web:1"),
}


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("path", USES)
def test_an_interrupt_does_not_wait_for_a_stuck_engine(fake: FakeEngine, path: str) -> None:
    reached = threading.Event()

    def stall(request: Request) -> None:
        reached.set()
        request.stall()

    fake.behaviours[path] = stall
    interrupt_soon(reached)
    with connect(fake.host, environment={}) as engine, pytest.raises(KeyboardInterrupt):
        USES[path](engine)
