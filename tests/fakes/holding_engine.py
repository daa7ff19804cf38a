"""An engine with the classic store that holds images and tags, and that a test makes lie: on top of `tests.fakes.engine`."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.factory.exports import docker_25
from tests.factory.images import SampleImage
from tests.factory.tars import make_tar
from tests.fakes.engine import FakeEngine, Request


@dataclass
class Holding:
    """What the engine holds: images by ID, tags (whole, ``docker.io/library/web:1``) to IDs; and how it lies.

    ``exports`` are sent in place of the image that is asked for; ``described`` fields stand over those of the image; a load brings
    ``brings``, whatever is sent. ``removed`` are the references that it was told to remove.
    """

    images: dict[str, SampleImage] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    exports: SampleImage | None = None
    described: dict[str, Any] = field(default_factory=dict)
    brings: SampleImage | None = None
    removed: list[str] = field(default_factory=list)

    def put(self, image: SampleImage, *tags: str) -> str:
        """Hold an image under tags, and return its ID."""
        image_id = str(image.config_digest)
        self.images[image_id] = image
        self.tags.update(dict.fromkeys((f"docker.io/library/{tag}" for tag in tags), image_id))
        return image_id

    def serve(self, fake: FakeEngine) -> None:
        """Answer the requests of a fake engine."""
        fake.behaviours.update(
            {
                "/images/json": lambda request: request.json([self._describe(image_id) for image_id in self.images]),
                "/images/load": self._load,
                "/json": self._inspect,
                "/get": self._export,
                "/tag": self._tag,
            }
        )
        fake.remove = self.remove

    def _id(self, request: Request) -> str:
        reference = unquote(urlsplit(request.path).path.partition("/images/")[2].rpartition("/")[0])
        known = self.tags.get(reference) or self.tags.get(f"docker.io/library/{reference}")
        return known or (reference if reference in self.images else "")

    def _describe(self, image_id: str) -> dict[str, Any]:
        image = self.images[image_id]
        fields = {
            "Id": image_id,
            "RepoTags": sorted(tag for tag, owner in self.tags.items() if owner == image_id),
            "Os": "linux",
            "Architecture": "amd64",
            "RootFS": {"Layers": [str(diff_id) for diff_id in image.diff_ids]},
        }
        return {**fields, **self.described}

    def _inspect(self, request: Request) -> None:
        image_id = self._id(request)
        request.json(self._describe(image_id) if image_id else {"message": "no such image"}, 200 if image_id else 404)

    def _export(self, request: Request) -> None:
        request.begin()
        request.chunk(make_tar(docker_25(self.exports or self.images[self._id(request)])))
        request.chunk(b"")

    def remove(self, request: Request) -> None:
        """Remove an image with its tags."""
        image_id = unquote(urlsplit(request.path).path.partition("/images/")[2])
        self.removed.append(image_id)
        self.images.pop(image_id, None)
        request.json([])

    def _load(self, request: Request) -> None:
        request.read_body()
        assert self.brings is not None
        image_id = self.put(self.brings)
        request.begin()
        request.chunk(b'{"stream":"Loaded image ID: %s"}\n' % image_id.encode())
        request.chunk(b"")

    def _tag(self, request: Request) -> None:
        query = parse_qs(urlsplit(request.path).query)
        self.tags[f"{query['repo'][0]}:{query['tag'][0]}"] = self._id(request)
        request.send_response(201)
        request.send_header("Content-Length", "0")
        request.end_headers()
