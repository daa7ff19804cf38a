"""Outlines that an earlier run wrote into the folder."""

from catalog.errors import CodecError
from catalog.hosting.folder import Folder
from catalog.ipld.cid import Cid
from catalog.static.layout import outline_path
from catalog.static.outline import Outline, decode_outline


def find_outline(folder: Folder, root: Cid) -> Outline | None:
    """Return the outline of a DAG in the folder; None where there is none, or one that is damaged."""
    data = folder.read(outline_path(root))
    try:
        return None if data is None else decode_outline(root, data)
    except CodecError:
        return None
