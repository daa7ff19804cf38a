"""``make sbom``: what an installed dcat consists of, as CycloneDX 1.6 (``dist/dcat.cdx.json``) and as a list of licences.

The components are the run-time dependencies in this environment, which ``make env`` installs from requirements.lock by hash. The
documents hold no time and no random number: the same lock gives the same bytes.
"""

import json
import re
from importlib.metadata import Distribution, distribution
from typing import Any

from packaging.requirements import Requirement

from tests.needs import ROOT

PROGRAM = "dcat-ipfs"
# Packages whose metadata states no licence; it is the one of the licence file that each of them contains.
STATED = {"bases": "MIT", "multiformats": "MIT", "multiformats-config": "MIT", "typing-validation": "MIT"}
# Words of the older metadata fields, as SPDX identifiers.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
_PLAIN = re.compile(r"[A-Za-z0-9.-]+")


def main() -> None:
    """Write both documents."""
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    for name, text in (("dcat.cdx.json", json.dumps(bill(), indent=1) + "\n"), ("dcat.licences.txt", licences())):
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


def bill() -> dict[str, Any]:
    """Return the CycloneDX document."""
    everything = dependencies()
    found = dict(everything)
    root = found.pop(PROGRAM)
    hashes = locked_hashes()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", **_component(root)}},
        "components": [
            {
                "type": "library",
                **_component(entry),
                "properties": [{"name": "dcat:lock:sha256", "value": value} for value in hashes[name]],
            }
            for name, entry in sorted(found.items())
        ],
        "dependencies": [
            {"ref": _purl(entry), "dependsOn": sorted(_purl(everything[name]) for name in _needs(entry))}
            for _, entry in sorted(everything.items())
        ],
    }


def licences() -> str:
    """Return a line for each component: name, version, licence."""
    found = dependencies()
    return "".join(f"{name}\t{entry.version}\t{licence_of(entry)}\n" for name, entry in sorted(found.items()))


def dependencies() -> dict[str, Distribution]:
    """Return dcat and everything that it needs at run time in this environment, by normalised name."""
    found: dict[str, Distribution] = {}
    waiting = [PROGRAM]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = distribution(name)
            waiting += _needs(found[name])
    return found


def licence_of(entry: Distribution) -> str:
    """Return the SPDX expression of a package's licence; raise `SystemExit` where nobody has written it down."""
    metadata = entry.metadata
    name = _normal(str(metadata["Name"]))
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    classifiers = [str(text) for text in metadata.get_all("Classifier") or []]
    stated = [
        *map(str, metadata.get_all("License") or []),
        *(text.rpartition(":: ")[2] for text in classifiers if text.startswith("License")),
    ]
    for text in stated:
        if text in _SPDX or (_PLAIN.fullmatch(text) and text in set(_SPDX.values()) | {"MIT", "PSF-2.0"}):
            return _SPDX.get(text, text)
    if name not in STATED:
        raise SystemExit(f"{name} states no licence; read its licence file and add it to STATED in tests/sbom.py")
    return STATED[name]


def locked_hashes() -> dict[str, list[str]]:
    """Return the sha256 of every file that requirements.lock accepts, by package."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line[0].isspace():
            name = _normal(re.split(r"[=\[ ;]", line)[0])
            found.setdefault(name, [])
        found.get(name, []).extend(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


def _needs(entry: Distribution) -> list[str]:
    requirements = [Requirement(text) for text in entry.requires or []]
    return [_normal(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]


def _component(entry: Distribution) -> dict[str, Any]:
    licence = licence_of(entry)
    stated: dict[str, Any] = {"license": {"id": licence}} if _PLAIN.fullmatch(licence) else {"expression": licence}
    return {
        "bom-ref": _purl(entry),
        "name": str(entry.metadata["Name"]),
        "version": entry.version,
        "purl": _purl(entry),
        "licenses": [stated],
    }


def _purl(entry: Distribution) -> str:
    return f"pkg:pypi/{_normal(str(entry.metadata['Name']))}@{entry.version}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
