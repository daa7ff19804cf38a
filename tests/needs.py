"""What a test needs from its machine: where it is missing the test skips with a reason, unless CI says that it must be there.

``DCAT_TEST_REQUIRE`` is a comma-separated list of such needs (``vectors,docker20,docker29,podman,skopeo,kubo,netns,shells,cc,
tmpfs,mounts,crane,ko,regctl,oras,buildkit,docker-compose,kustomize,umoci,pzstd,browser,nginx,caddy,haproxy,cluster,pinning,helia,gofakes3,aws,
crictl,conformance,buildx``, or ``all``); a skip for one of them is then a failure. No test calls ``pytest.skip`` itself.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest

QUICK = "DCAT_TEST_QUICK"  # set by `make test-quick`: fewer examples
ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


def lacks(need: str, reason: str) -> NoReturn:
    """End the running test: this machine lacks ``need``."""
    required = {entry.strip() for entry in os.environ.get("DCAT_TEST_REQUIRE", "").split(",")}
    if need in required or "all" in required:
        pytest.fail(f"{need} is required here, but: {reason}", pytrace=False)
    pytest.skip(f"needs {need}: {reason}")


def vectors(folder: str) -> Path:
    """Return a folder of the IPFS projects' own fixtures, which stand beside the clone and are not committed."""
    path = Path(os.environ.get("DCAT_VECTORS", ROOT.parent / "shared" / "vectors")) / folder
    if not path.is_dir():
        lacks("vectors", f"no folder {path}")
    return path
