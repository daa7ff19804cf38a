"""The bill of materials names every dependency with its licence and its hashes."""

import json
import re
import subprocess
import sys

from tests import sbom
from tests.needs import ROOT


def test_every_dependency_is_in_the_bill_with_version_licence_and_hashes() -> None:
    document = sbom.bill()
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    components = {entry["name"].lower(): entry for entry in document["components"]}
    declared = re.findall(
        r'^  "([a-z0-9.\[\]-]+)', (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("\n]")[0], re.MULTILINE
    )
    for name in declared:
        bare = name.split("[")[0]
        assert bare in components or bare.startswith("backports"), bare
    for entry in components.values():
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[0-9].*", entry["purl"])
        assert entry["licenses"]
        assert entry["properties"], f"{entry['name']} is not in the lock"
    references = {document["metadata"]["component"]["bom-ref"], *(entry["bom-ref"] for entry in components.values())}
    assert {entry["ref"] for entry in document["dependencies"]} == references
    assert {target for entry in document["dependencies"] for target in entry["dependsOn"]} <= references


def test_the_licences_that_no_metadata_states_are_those_of_the_licence_files() -> None:
    from importlib.metadata import distribution

    for name, licence in sbom.STATED.items():
        entry = distribution(name)
        assert entry.metadata.get_all("License-Expression") is None, f"{name} states its licence now"
        files = [path for path in entry.files or [] if path.name.upper().startswith("LICEN")]
        assert files
        assert licence in files[0].read_text().splitlines()[0]


def test_the_same_lock_gives_the_same_bytes() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", "import json; from tests import sbom; print(json.dumps(sbom.bill()), sbom.licences())"],
            check=True,
            cwd=ROOT,
            capture_output=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert json.loads(outputs.pop().decode().split("\n")[0].rpartition("}")[0] + "}")
