"""What the description says of the twins is so: for random parameters, and for every page that is there."""

import json
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance, unsupported_method

from tests.server.pages.conftest import Pages
from tests.server.pages.test_routes import PAGES

# What is asked for at random is seldom there, and any text may be a name: 404 is right for both.
_NOT_ASKED = [positive_data_acceptance, negative_data_rejection, unsupported_method]


def test_answers_to_random_parameters_are_as_described(pages: Pages) -> None:
    described = schemathesis.openapi.from_url(f"http://127.0.0.1:{pages.port}/api/openapi.json")
    operations: list[Any] = [result.ok() for result in described.get_all_operations()]
    assert len(operations) == 12
    for operation in operations:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(excluded_checks=_NOT_ASKED)

        check()


@pytest.mark.parametrize("path", PAGES)
def test_the_twin_of_every_page_is_as_described(pages: Pages, path: str) -> None:
    described = json.loads(pages.get("/api/openapi.json").body)
    document = json.loads(pages.get(path, accept="application/json").body)
    key = document["schema"].removeprefix("dcat/page-").removesuffix("/v1")
    operation = next(entry["get"] for entry in described["paths"].values() if entry["get"]["operationId"] == f"get_{key}")
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate({**answer, "components": described["components"]}, document)


def test_the_description_is_valid(pages: Pages) -> None:
    described = json.loads(pages.get("/api/openapi.json").body)
    for name, kind in described["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **kind})
        assert kind["description"], name
