"""``make demo``: the main job from end to end, on a real image, in a home that is thrown away.

The image is built here from this machine's Python library (nothing is downloaded), in two versions of which the second changes a
few files. With a Docker engine at hand the image is also taken out of the engine, pulled back into it, and run.
"""

import io
import os
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from catalog.clients.docker import Engine, connect
from catalog.errors import EngineUnavailableError
from tests.factory.images import machine_platform, make_image
from tests.factory.programs import make_program
from tests.factory.tars import make_layer

NAME = "dcat-demo"
VERSIONS = ("1.0", "1.1")
_DCAT = Path(sys.executable).with_name("dcat")


def main() -> int:
    """Run the demo; the exit code says whether everything went as it should."""
    with tempfile.TemporaryDirectory(prefix="dcat-demo-") as folder:
        os.chdir(folder)
        variables = {**os.environ, "DCAT_HOME": f"{folder}/home", "DCAT_CONFIG": f"{folder}/config.toml"}
        say("Two versions of an image, built from this Python's library:")
        for version in VERSIONS:
            size = Path(f"{NAME}-{version}.tar").write_bytes(build_image(version))
            say(f"  {NAME}-{version}.tar  {size / 1e6:.1f} MB")
        engine = find_engine()
        if engine is None:
            say("\nThere is no Docker engine at hand: dcat works on the image files, and nothing is run.")
            show_files(variables)
        else:
            with engine, no_leftovers(engine):
                show_engine(engine, variables)
        show_rest(variables)
    say("\nThe home of this demo is gone; yours begins with: dcat publish NAME VERSION")
    return 0


def build_image(version: str) -> bytes:
    """Make the image as an engine's export: a layer of the library, one of the program."""
    library = Path(sysconfig.get_path("stdlib"))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number, path in enumerate(sorted(library.rglob("*.py"))):
            if not {"site-packages", "test", "tests"} & set(path.relative_to(library).parts):
                content = path.read_bytes()
                if version == "1.1" and number % 200 == 0:
                    content += b"\n# changed in 1.1\n"
                member = tarfile.TarInfo(f"usr/lib/python/{path.relative_to(library)}")
                member.size, member.mtime = len(content), 1_700_000_000
                tar.addfile(member, io.BytesIO(content))
    program = make_layer({"bin/say": make_program(f"{NAME} {version} runs")})
    settings = {"Cmd": ["/bin/say"], "Labels": {"version": version}}
    return make_image([stream.getvalue(), program], machine_platform(), settings=settings).archive(f"{NAME}:{version}")


def show_files(variables: Mapping[str, str]) -> None:
    """Publish the files."""
    for version in VERSIONS:
        dcat(variables, "publish", NAME, version, "--from", f"{NAME}-{version}.tar")


def show_engine(engine: Engine, variables: Mapping[str, str]) -> None:
    """Publish out of the engine, take the images away from it, pull them back and run one."""
    info = engine.info()
    say(f"\nWith the engine at {info.target} ({info.version}, {info.store} store):")
    for version in VERSIONS:
        say(f"\n$ docker load -i {NAME}-{version}.tar")
        loaded = engine.load(iter([Path(f"{NAME}-{version}.tar").read_bytes()]))
        engine.tag(engine.find(loaded.id).id, NAME, version)  # an engine may name a loaded image by a tag
        dcat(variables, "publish", NAME, version)
    for version in VERSIONS:
        engine.untag(NAME, version)
        say(f"$ docker rmi {NAME}:{version}")
    for version in VERSIONS:
        dcat(variables, "pull", f"{NAME}@{version}")
    run_image(engine, f"{NAME}:{VERSIONS[-1]}")


def show_rest(variables: Mapping[str, str]) -> None:
    """Look around, write an archive, check everything."""
    second = f"{NAME}@{VERSIONS[1]}"
    cid = dcat(variables, "resolve", second).strip()
    dcat(variables, "diff", f"{NAME}@{VERSIONS[0]}", second)
    dcat(variables, "save", second, "-o", f"{NAME}.tar.zst")
    dcat(variables, "publish", f"{NAME}-again", "1", "--from", f"{NAME}.tar.zst")
    again = dcat(variables, "resolve", f"{NAME}-again@1", show=False).strip()
    say(f"The saved archive, published again, has the same CID: {again == cid}")
    if again != cid:
        raise SystemExit("an archive changed on its way through a file")
    dcat(variables, "list")
    dcat(variables, "verify")


def dcat(variables: Mapping[str, str], *arguments: str, show: bool = True) -> str:
    """Run dcat as a user would, shown with all that it prints; return that, or, where it is not shown, its standard output."""
    if show:
        say(f"\n$ {shlex.join(['dcat', *arguments])}")
    errors = subprocess.STDOUT if show else None
    done = subprocess.run([str(_DCAT), *arguments], env=dict(variables), stdout=subprocess.PIPE, stderr=errors, text=True)
    if show:
        say(done.stdout.rstrip())
    if done.returncode:
        raise SystemExit(f"dcat ended with {done.returncode}")
    return done.stdout


def find_engine() -> Engine | None:
    """Reach the engine that Docker's own command would, or give None."""
    try:
        return connect(environment=os.environ)
    except EngineUnavailableError:
        return None


@contextmanager
def no_leftovers(engine: Engine) -> Iterator[None]:
    """Take the demo's tags out of the engine at the end, and refuse to begin over somebody else's."""
    if any(engine.tag_owner(NAME, version) for version in VERSIONS):
        raise SystemExit(
            f"the engine has {NAME}:… already; take it away first: docker rmi {' '.join(f'{NAME}:{v}' for v in VERSIONS)}"
        )
    try:
        yield
    finally:
        for version in VERSIONS:
            engine.untag(NAME, version)


def run_image(engine: Engine, reference: str) -> None:
    """Run an image without a network, and show what it prints."""
    say(f"\n$ docker run --rm --network none {reference}")
    program = ["docker", "--host", engine.info().target, "run", "--rm", "--network", "none", reference]
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    say(done.stdout.rstrip())
    if done.returncode:
        raise SystemExit(f"the image did not run ({done.returncode})")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
