"""``make demo`` does what the README says of it, with an engine and without one."""

import os
import subprocess
import sys

from tests.compat.engines import PrivateEngine
from tests.needs import ROOT


def run_demo(docker_host: str) -> str:
    environment = {**os.environ, "DOCKER_HOST": docker_host, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "tests.demo"]
    done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "has the same CID: True" in done.stdout
    assert "Everything matches." in done.stdout
    return done.stdout


def test_the_demo_without_an_engine() -> None:
    assert "no Docker engine at hand" in run_demo("unix:///nowhere.sock")


def test_the_demo_with_an_engine(docker20: PrivateEngine) -> None:
    printed = run_demo(docker20.host)
    assert "dcat-demo 1.1 runs" in printed
    with docker20.connect() as engine:
        assert not [tag for tag in engine.tags() if tag.startswith("dcat-demo")]
