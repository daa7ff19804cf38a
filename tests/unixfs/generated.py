"""The content of IPIP-499's vectors, made as Kubo's tests make it: a ChaCha20 keystream from a seed."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from tests.needs import vectors


def profile(name: str) -> dict[str, Any]:
    """Return the vectors of one profile."""
    profile: dict[str, Any] = described()[name]
    return profile


def described() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((vectors("unixfs") / "ipip-0499-cids.json").read_text())
    return described


def keystream(seed: str, sizes: Iterator[int]) -> Iterator[bytes]:
    """Yield consecutive pieces of a seed's keystream."""
    encryptor = Cipher(ChaCha20(hashlib.sha256(seed.encode()).digest(), bytes(16)), None).encryptor()
    for size in sizes:
        yield encryptor.update(bytes(size))


def chunks(seed: str, size: int, chunk: int) -> Iterator[bytes]:
    """Return a file's chunks."""
    return keystream(seed, (min(chunk, size - offset) for offset in range(0, size, chunk)))


def names(directory: dict[str, Any]) -> list[str]:
    """Return a directory's names."""
    alphabet = described()["alphabet"]
    length = directory["name_len"]
    lengths = [length] * (directory["files"] - 1) + [directory.get("last_len", length)]
    return ["".join(alphabet[byte % len(alphabet)] for byte in piece) for piece in keystream(directory["seed"], iter(lengths))]
