"""An image out of an engine by ``docker push`` into a private endpoint: for the containerd store, whose ``docker save`` is slow.

The engine tags the image under ``127.0.0.1:PORT/dcat/x`` while the push lasts; the tag names this process and its start, so that a
later publish removes what a killed one left. Where this engine cannot reach the endpoint, or nothing arrives within seconds, the
caller exports the image instead.
"""

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

from catalog.clients.docker import Engine, EngineImage, require_complete
from catalog.clients.docker.local import is_local
from catalog.errors import DcatError, ImageIncompleteError, UnavailableError
from catalog.image.dag import ChunkSink
from catalog.intake.endpoint import REPOSITORY, USER, PushEndpoint
from catalog.intake.pushed import KnownLayers, PushedImages
from catalog.intake.surveyed import SurveyedImages
from catalog.limits import ENGINE_PUSH_WAIT
from catalog.model.digest import Digest
from catalog.model.platform import Platform
from catalog.progress import Progress, Step
from catalog.storage.processes import find_start

_TAG: Final = re.compile(rf"127\.0\.0\.1:\d+/{REPOSITORY}:p(\d+)-(\d+)(?:-\d+)?", re.ASCII)
_POLL: Final = 0.05
_WAIT_FOR_CALLER: Final = 60.0


class PushRefusedError(DcatError):
    """The engine did not push, and nothing was received: the image can be exported instead."""

    code = "push-refused"


class Push:
    """A push of images that is under way. Use it as a context manager: leaving it ends it and removes its tags."""

    def __init__(self, engine: Engine, images: list[EngineImage], endpoint: PushEndpoint) -> None:
        self._engine = engine
        self._images = images
        self._endpoint = endpoint
        self._failure: Exception | None = None
        self._surveyed = SurveyedImages()
        self._pushed: PushedImages | None = None
        self._taken = threading.Event()
        self._tags: list[str] = []
        self._tagging = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="engine-push", daemon=True)
        self._thread.start()

    @property
    def repository(self) -> str:
        """Where the engine pushes to."""
        return self._endpoint.repository

    def receive(self, pushed: PushedImages, report: Callable[[], None], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let ``pushed`` receive everything; call ``meanwhile`` once, and then ``report`` again and again.

        Raise `PushRefusedError` where nothing arrived; after the first blob that was accepted a failure is that of the image.
        """
        endpoint = self._endpoint
        pushed.surveyed = self._surveyed
        self._pushed = pushed
        endpoint.attach(pushed)
        self._taken.set()
        meanwhile()
        deadline = monotonic() + ENGINE_PUSH_WAIT
        while self._thread.is_alive():
            self._thread.join(_POLL)
            report()
            if not endpoint.asked.is_set() and monotonic() > deadline:
                raise PushRefusedError("the engine did not push in time")
        if endpoint.failure is not None:
            raise endpoint.failure
        if self._failure is not None:
            if isinstance(self._failure, ImageIncompleteError):
                raise self._failure
            if isinstance(self._failure, DcatError) and not endpoint.accepted.is_set():
                raise PushRefusedError(self._failure.message) from self._failure
            raise self._failure
        if not endpoint.accepted.is_set():  # somebody else listens where the engine's 127.0.0.1 is
            raise PushRefusedError("the engine pushed, and nothing came here")

    def take(
        self,
        sink: ChunkSink,
        max_size: int,
        progress: Progress,
        known: KnownLayers | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> PushedImages:
        """Store the images as they are pushed, but for ``known`` layers; return them. Raise what `receive` and ``meanwhile`` do."""
        pushed = PushedImages(sink, max_size=max_size, progress=progress, known=known)
        size = sum(image.size for image in self._images)

        def report() -> None:
            with pushed.exclusively():
                progress(Step("total", "read", pushed.received, size if pushed.received <= size else None))

        self.receive(pushed, report, meanwhile)
        return pushed

    def close(self) -> None:
        """End the push, and remove its tags. An engine that still waits for somebody else is not waited for."""
        with self._tagging:
            self._is_closed = True
        self._taken.set()
        self._endpoint.close()
        self._thread.join(ENGINE_PUSH_WAIT)
        for tag in self._tags:
            with suppress(DcatError):
                self._engine.untag(self._endpoint.repository, tag)

    def __enter__(self) -> "Push":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for number, image in enumerate(self._images):
                tag = f"{_own_tag()}-{number}"
                with self._tagging:
                    if self._is_closed:
                        return
                    self._tags.append(tag)
                    self._engine.tag(image.id, self._endpoint.repository, tag)
                if image.id != image.manifest or not image.complete:
                    self._survey(tag, configs=not image.complete)
                if image.complete:
                    self._push(tag, image.platform if _knows(image.platform) else None, image.size)
                else:
                    self._push_incomplete(tag, image)
        except Exception as error:  # raised where the publish waits
            self._failure = error

    def _survey(self, tag: str, *, configs: bool) -> None:
        """Have the engine send the documents of the whole image, the index among them. It cannot where it lacks one of them."""
        self._surveyed.wants_configs = configs
        with self._endpoint.surveying(self._surveyed), suppress(UnavailableError):
            self._push(tag, None, 0)

    def _push_incomplete(self, tag: str, image: EngineImage) -> None:
        """Push an image of which the engine lacks layers: it need not have those that are held here.

        By platform it refuses. Raise `ImageIncompleteError` where something is held nowhere.
        """
        blobs = self._surveyed.list_blobs(Digest.parse(image.manifest), image.missing) if image.manifest else None
        self._taken.wait(_WAIT_FOR_CALLER)
        if blobs is None or self._pushed is None:
            require_complete(image, image.tags[0])
            return
        self._pushed.need(blobs)
        try:
            self._push(tag, None, image.size)
        except UnavailableError:
            require_complete(image, image.tags[0])
        finally:
            self._pushed.need(None)

    def _push(self, tag: str, platform: Platform | None, size: int) -> None:
        self._engine.push(self._endpoint.repository, tag, (USER, self._endpoint.password), platform, size)


def start_push(engine: Engine, images: list[EngineImage]) -> tuple[Push | None, str]:
    """Have the engine push images; None and the reason where it has to export them instead."""
    if not all(image.tags for image in images):
        # The temporary tag would be the only one, and the engine would delete the image with it.
        return None, "the image has no tag"
    endpoint = PushEndpoint()
    try:
        if why := why_not(engine, endpoint):
            endpoint.close()
            return None, why
    except BaseException:
        endpoint.close()
        raise
    remove_left_tags(engine)
    return Push(engine, images, endpoint), ""


def examine(engine: Engine) -> tuple[str, list[str]]:
    """Return how a publish reads the images of an engine, and why, for users; and the tags of killed publishes, now removed.

    Only an engine that pushes to this process has tags whose processes can be looked up here.
    """
    endpoint = PushEndpoint()
    try:
        why = why_not(engine, endpoint)
    finally:
        endpoint.close()
    return (f"exported images: {why}", []) if why else ("pushed images", remove_left_tags(engine))


def why_not(engine: Engine, endpoint: PushEndpoint) -> str:
    """Return why an engine has to export its images; empty where it can push them to the endpoint."""
    info = engine.info()
    if info.store != "containerd":
        return "its store compresses layers for a push, which takes longer than an export"
    if not engine.pushes_platforms:
        return "it is too old to push a single platform"
    if not is_local(info.target, endpoint.listener):
        return "it is not certain that it runs on this machine"
    return ""


def remove_left_tags(engine: Engine) -> list[str]:
    """Remove the temporary tags of processes of this machine that have ended; return them."""
    left = []
    with suppress(UnavailableError):
        for tag in engine.tags():
            match = _TAG.fullmatch(tag)
            if match is not None and find_start(int(match[1])) != match[2]:
                name, _, version = tag.rpartition(":")
                engine.untag(name, version)
                left.append(tag)
    return left


def _own_tag() -> str:
    pid = os.getpid()
    return f"p{pid}-{find_start(pid) or 0}"


def _knows(platform: Platform) -> bool:
    return platform.architecture != "unknown"
