"""``dcat --version``."""

from importlib import metadata

from cli.output import Output


def version() -> str:
    """Return the installed version."""
    return metadata.version("dcat-ipfs")


def show_version() -> int:
    """Print ``dcat 0.1.0``."""
    Output().print_text(f"dcat {version()}")
    return 0
