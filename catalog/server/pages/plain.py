"""Pages of a catalogue that stands on a web server as plain files: without a server there is no search, and nothing has an age."""

from importlib.resources import files

from catalog.hosting.listings import CatalogueModel, NameModel
from catalog.server.pages.rendering import environment

_ROOM = "catalog.server.pages"


class PlainPages:
    """Renders the pages that `catalog.operations.export_static` writes."""

    def assets(self) -> dict[str, bytes]:
        """Return the files that the pages link, by their paths."""
        folder = files(_ROOM).joinpath("static")
        return {f"pages/{name}": folder.joinpath(name).read_bytes() for name in ("style.css", "icon.svg")}

    def catalogue(self, model: CatalogueModel) -> bytes:
        """Return the page of a catalogue, which stands at its root."""
        return environment().get_template("plain-catalogue.html").render(model=model, up="").encode()

    def name(self, model: NameModel) -> bytes:
        """Return the page of a name, which stands in ``names/<name>/``."""
        up = "../" * (2 + model.name.count("/"))
        return environment().get_template("plain-name.html").render(model=model, up=up).encode()
