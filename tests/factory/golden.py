"""The golden files of the formats (tests/golden)."""

import json
from pathlib import Path
from typing import Any

import zstandard

from tests.needs import GOLDEN

IMAGES = GOLDEN / "dcat-image"
DELTAS = GOLDEN / "dcat-delta"
STATIC = GOLDEN / "dcat-static"
CATALOGUES = GOLDEN / "dcat-catalogue"


def read_golden(path: Path) -> bytes:
    """Return a golden file's content, decompressed if it is kept as zstd."""
    data = path.read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(data).read() if path.suffix == ".zst" else data


def read_expected(folder: Path) -> Any:
    """Return what the golden files of a folder must turn into."""
    return json.loads((folder / "expected.json").read_text())
