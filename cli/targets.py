"""Files that a command is to write, as ``-o`` names them."""

from pathlib import Path

from catalog.errors import NotFoundError, StorageError
from catalog.model.text import quote


def output_file(text: str, example: str) -> Path:
    """Return the path of a file to write; raise an error for a folder, and for a file in a folder that does not exist.

    Checked before the work begins. ``example`` is a name for the file, for the hint about a folder.
    """
    path = Path(text)
    if path.is_dir():
        raise StorageError(f'-o: "{text}" is a folder', why="it takes the name of a file", nearest=[str(path / example)])
    if not path.parent.is_dir():
        raise NotFoundError(
            f'-o: "{text}" cannot be created', why="its folder does not exist", hint=f"mkdir -p {quote(str(path.parent))}"
        )
    return path
