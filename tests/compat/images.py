"""An image that a classic engine builds."""

from pathlib import Path

from tests.compat.engines import PrivateEngine
from tests.factory.programs import make_program


def build(engine: PrivateEngine, folder: Path, reference: str) -> None:
    """Build with a classic engine an image of layers, two of them the same, with all that it writes into configs."""
    (folder / "base").mkdir(parents=True, exist_ok=True)
    (folder / "base" / "data").write_bytes(bytes(range(256)) * 2000)
    (folder / "twice").write_text("twice\n", encoding="utf-8")
    (folder / "say").write_bytes(make_program(f"{reference} runs"))
    (folder / "say").chmod(0o755)
    (folder / "Dockerfile").write_text(
        "FROM scratch\n"
        "ENV PATH=/bin TEXT=Ünïcode\n"
        "COPY base /base\n"
        "COPY twice /twice\n"
        "COPY twice /twice\n"
        "WORKDIR /work\n"
        "COPY say /bin/say\n"
        'LABEL description="Größe 日本語"\n'
        'CMD ["/bin/say"]\n',
        encoding="utf-8",
    )
    engine.run("build", "--quiet", "--tag", reference, str(folder))
