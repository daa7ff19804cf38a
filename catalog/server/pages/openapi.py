"""The description of the JSON twins: OpenAPI 3.1, made from the pages' own models.

Source: OpenAPI Specification 3.1.0; JSON Schema 2020-12.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from catalog.documents.encoding import schema_of
from catalog.server.pages.pagelist import PAGES, Page

_PARAMETER = re.compile(r"\{(\w+)\}")
_WHAT = {
    "label": "A catalogue: mine, its alias here, or its IPNS name.",
    "newer_label": "The catalogue of the newer release.",
    "name": "A name of the catalogue.",
    "newer_name": "The name of the newer release.",
    "version": "A version of the name.",
    "newer_version": "The newer version.",
    "cid": "A CID, in any form.",
}


@dataclass(frozen=True, slots=True)
class Error:
    """What failed, why, and what to try; ``code`` is stable."""

    schema: str
    code: str
    message: str
    why: str


@cache
def describe() -> dict[str, Any]:
    """Return the description of all pages' twins and of the feeds."""
    schemas: dict[str, Any] = {}
    failure = {"application/json": {"schema": schema_of(Error, schemas)}}
    atom = {"description": "An Atom feed", "content": {"application/atom+xml": {"schema": {"type": "string"}}}}
    paths: dict[str, Any] = {page.twin: {"get": _describe(page, schemas, failure)} for page in PAGES}
    for path, summary in (("/c/{label}.atom", "New releases of a catalogue"), ("/r/{label}/{name}.atom", "Releases of a name")):
        paths[path] = {
            "get": {
                "operationId": summary.lower().replace(" ", "_"),
                "summary": summary,
                "parameters": _path_parameters(path),
                "responses": {"200": atom, **_failures(failure)},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dcat",
            "version": version("dcat-ipfs"),
            "description": "What a home holds, read-only: the twins of its pages. Lists name their next page in a Link header.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _describe(page: Page, schemas: dict[str, Any], failure: dict[str, Any]) -> dict[str, Any]:
    model = schema_of(page.model, schemas)
    head = {"type": "object", "properties": {"schema": {"const": f"dcat/page-{page.key}/v1"}}, "required": ["schema"]}
    success: dict[str, Any] = {"description": page.summary, "content": {"application/json": {"schema": {"allOf": [head, model]}}}}
    if page.keyset:
        success["headers"] = {
            "Link": {"description": 'The next page, as rel="next", where there is one.', "schema": {"type": "string"}}
        }
    query = [{"name": name, "in": "query", "description": text, "schema": _query_schema(name)} for name, text in page.query.items()]
    return {
        "operationId": f"get_{page.key}",
        "summary": page.summary,
        "parameters": [*_path_parameters(page.twin), *query],
        "responses": {"200": success, **_failures(failure)},
    }


def _query_schema(name: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": 1000} if name == "n" else {"type": "string"}


def _path_parameters(path: str) -> Sequence[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": _WHAT[name], "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(path)
    ]


def _failures(failure: dict[str, Any]) -> dict[str, Any]:
    texts = {
        "400": "A parameter is outside its grammar",
        "404": "There is none, or it is not here",
        "503": "The home is busy, or its disk is full",
    }
    return {status: {"description": text, "content": failure} for status, text in texts.items()}
