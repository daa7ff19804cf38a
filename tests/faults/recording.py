"""What a command did to files, replayed up to any operation as a power cut may leave it (docs/safety.md D2).

The model is that of SQLite's crash tests: what was synced is there. Of what was written since, each 512-byte piece may be there or
not, whatever the order; so may each change of a file's length. A name is there for certain once its directory was synced; until
then each change of names may be there or not.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of a recording: its words, and the bytes that were written."""

    words: tuple[str, ...]
    data: bytes = b""


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # at an offset some bytes, or None: cut there

    def after(self, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        for at, data in self.pending:
            if data is None:
                if chance.random() < 0.5:
                    _resize(content, at)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < 0.5:
                    piece = data[start : start + SECTOR]
                    _write(content, at + start, piece)
        return bytes(content)

    def now(self) -> bytearray:
        content = bytearray(self.durable)
        for at, data in self.pending:
            if data is None:
                _resize(content, at)
            else:
                _write(content, at, data)
        return content


class Disk:
    """The files of one folder while a recording is replayed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marks: list[str] = []
        self._names: dict[str, _File | None] = {}  # what programs see; None is a folder
        self._durable: dict[str, _File | None] = {}
        self._pending: list[tuple[str, _File | None, bool]] = []  # a name, what it then means, and whether it is there
        self._open: dict[int, tuple[str, _File | None]] = {}

    def apply(self, operation: Operation) -> None:
        """Do what was done."""
        verb, *words = operation.words
        does: dict[str, Callable[..., None]] = {
            "mark": self._mark,
            "open": self._open_file,
            "write": self._write,
            "cut": self._cut,
            "sync": self._sync,
            "link": self._link,
            "rename": self._rename,
            "unlink": self._unlink,
            "mkdir": self._mkdir,
        }
        does[verb](operation, *words)

    def cut_power(self, target: Path, chance: random.Random) -> None:
        """Write into ``target`` what may be on the disk now."""
        names = dict(self._durable)
        for name, meaning, there in self._pending:
            if chance.random() < 0.5:
                if there:
                    names[name] = meaning
                else:
                    names.pop(name, None)
        target.mkdir()
        for name in sorted(names):
            path = target / Path(name).relative_to(self.folder)
            meaning = names[name]
            if not path.parent.is_dir():
                continue  # in a folder that is not there
            if meaning is None:
                path.mkdir(exist_ok=True, mode=0o700)
            elif not name.endswith("-shm"):  # memory that processes share: never read after a restart
                path.write_bytes(meaning.after(chance))
                path.chmod(0o600)

    def _mark(self, _: Operation, *words: str) -> None:
        self.marks.append(" ".join(words))

    def _open_file(self, _: Operation, fd: str, made: str, emptied: str, *words: str) -> None:
        name = " ".join(words)
        if made == "1":
            self._change(name, _File())
        meaning = self._names.get(name)
        if emptied == "1" and meaning is not None:
            meaning.pending.append((0, None))
        self._open[int(fd)] = (name, meaning)

    def _change(self, name: str, meaning: _File | None, *, there: bool = True) -> None:
        if there:
            self._names[name] = meaning
        else:
            self._names.pop(name, None)
        self._pending.append((name, meaning, there))

    def _write(self, operation: Operation, fd: str, at: str, _: str) -> None:
        file = self._open[int(fd)][1]
        assert file is not None
        file.pending.append((int(at), operation.data))

    def _cut(self, _: Operation, fd: str, at: str) -> None:
        file = self._open[int(fd)][1]
        assert file is not None
        file.pending.append((int(at), None))

    def _sync(self, _: Operation, fd: str) -> None:
        name, file = self._open[int(fd)]
        if file is not None:
            file.durable, file.pending = file.now(), []
            return
        rest = []
        for changed, meaning, there in self._pending:
            if str(Path(changed).parent) != name:
                rest.append((changed, meaning, there))
            elif there:
                self._durable[changed] = meaning
            else:
                self._durable.pop(changed, None)
        self._pending = rest

    def _link(self, _: Operation, *words: str) -> None:
        before, after = " ".join(words).split("\t")
        self._change(after, self._names[before])

    def _rename(self, operation: Operation, *words: str) -> None:
        self._link(operation, *words)
        self._change(" ".join(words).split("\t")[0], None, there=False)

    def _unlink(self, _: Operation, *words: str) -> None:
        self._change(" ".join(words), None, there=False)

    def _mkdir(self, _: Operation, *words: str) -> None:
        self._change(" ".join(words), None)


def read_recording(path: Path) -> list[Operation]:
    """Read what ``faults.c`` wrote down."""
    operations = []
    with path.open("rb") as file:
        while line := file.readline():
            words = tuple(line.decode().rstrip("\n").split(" "))
            data = file.read(int(words[3])) if words[0] == "write" else b""
            operations.append(Operation(words, data))
    return operations


def _write(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))
