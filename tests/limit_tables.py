"""The limits of `docs/safety.md`, written from `catalog/limits.py`: ``python -m tests.limit_tables`` writes them anew.

They stand between the markers ``<!-- limits -->`` and ``<!-- /limits -->``. A comment on a line of its own begins a table; a
comment behind a value is its description. `tests/test_documents.py` fails where document and code differ.
"""

import re
from collections.abc import Iterator

from catalog import limits
from tests.needs import ROOT

SAFETY = ROOT / "docs" / "safety.md"
_SOURCE = ROOT / "catalog" / "limits.py"
_MARKED = re.compile(r"(<!-- limits -->\n).*?(<!-- /limits -->)", re.DOTALL)
_LINE = re.compile(r"([A-Z][A-Z0-9_]*) = (.+?)(?:  # (.+))?")
_UNITS = {"KiB": limits.KIB, "MiB": limits.MIB, "GiB": limits.GIB}
_POWER = re.compile(r"\*\*([0-9]+)")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPANS = {"d": 86400, "h": 3600, "min": 60}
# Names of whole numbers that are seconds; a fraction always is.
_SECONDS = re.compile(r"_(?:AFTER|LIFETIME|BELOW|TTL|TOLERANCE|TIME)$")


def limit_tables() -> str:
    """Return the tables, one for each part of `catalog/limits.py`."""
    return "\n".join(_lines()) + "\n"


def insert_tables(text: str) -> str:
    """Return a document with the tables in place of what stands between its markers."""
    return _MARKED.sub(lambda match: f"{match[1]}{limit_tables()}\n{match[2]}", text)


def _lines() -> Iterator[str]:
    heading = ""
    begun = False
    for line in _SOURCE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            heading, begun = line[2:].partition(" (")[0], False
        elif (match := _LINE.fullmatch(line)) and match[1] not in {"KIB", "MIB", "GIB"}:
            if not begun:
                yield from ("", f"**{heading}**", "", "| limit | value | |", "|---|---|---|")
                begun = True
            yield f"| `{match[1]}` | {_format(match[1], match[2])} | {match[3] or ''} |"


def _format(name: str, written: str) -> str:
    value = getattr(limits, name)
    if any(unit in written for unit in ("KIB", "MIB", "GIB")) and not isinstance(value, float):
        unit = next(unit for unit in ("GiB", "MiB", "KiB") if value % _UNITS[unit] == 0)
        return f"{value // _UNITS[unit]:,} {unit}"
    if "MAX" in name and "**" in written:
        return _POWER.sub(lambda match: match[1].translate(_RAISED), written).replace("*", "×").replace("-", "−")
    if (isinstance(value, float) and not name.endswith("_SHARE")) or _SECONDS.search(name):
        for unit, size in _SPANS.items():
            if value >= size and value % size == 0:
                return f"{value / size:g} {unit}"
        return f"{value:g} s"
    return f"{value:,}"


if __name__ == "__main__":
    SAFETY.write_text(insert_tables(SAFETY.read_text(encoding="utf-8")), encoding="utf-8")
