import pytest

from catalog.deployment.mention import ImageName, parse_image_name

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "image", "canonical"),
    [
        ("web", ImageName("", "web"), "docker.io/library/web:latest"),
        ("web:1.0", ImageName("", "web", "1.0"), "docker.io/library/web:1.0"),
        ("ann/web:1", ImageName("", "ann/web", "1"), "docker.io/ann/web:1"),
        ("docker.io/library/web:1", ImageName("", "web", "1"), "docker.io/library/web:1"),
        ("localhost/web", ImageName("localhost", "web"), "localhost/web:latest"),
        (
            f"localhost:5078/ann/web:1@{DIGEST}",
            ImageName("localhost:5078", "ann/web", "1", DIGEST),
            f"localhost:5078/ann/web:1@{DIGEST}",
        ),
        (f"ghcr.io/a/b@{DIGEST}", ImageName("ghcr.io", "a/b", "", DIGEST), f"ghcr.io/a/b@{DIGEST}"),
        ("[::1]:5078/web", ImageName("[::1]:5078", "web"), "[::1]:5078/web:latest"),
    ],
)
def test_names(text: str, image: ImageName, canonical: str) -> None:
    assert parse_image_name(text) == image
    assert image.canonical == canonical


@pytest.mark.parametrize(
    "text", ["", "Web", "web:$V", "${A}", "web:", "web@sha256:00", "a b", "web:1\n", "a" * 2000, "/web", "web/"]
)
def test_what_is_not_a_name(text: str) -> None:
    assert parse_image_name(text) is None
