"""The OpenAPI document says what the API does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from stockade.admin.application import admin_app
from tests.unit.host.admin_asks import ask
from tests.unit.host.fake_operator import FakeOperator

FAILURE = {"$ref": "#/components/schemas/Failure"}


@pytest.fixture
async def document() -> Any:
    heard = await ask(admin_app(FakeOperator(), "1.2.3"), "GET", "/api/openapi.json")
    assert heard.status == 200
    return heard.json


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    match value:
        case dict():
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        case list():
            for one in value:
                yield from references(one)


async def test_it_is_of_this_version_and_asks_for_a_bearer_token(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == "1.2.3"
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_each_reference_leads_somewhere(document: Any) -> None:
    found = set(references(document))
    assert len(found) > 40
    for reference in found:
        place = document
        for piece in reference.removeprefix("#/").split("/"):
            place = place[piece]


async def test_each_operation_has_a_name_of_its_own_and_its_parameters(document: Any) -> None:
    ids = [operation["operationId"] for *_, operation in operations(document)]
    assert len(ids) == len(set(ids)) == 55
    for path, _, operation in operations(document):
        declared = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", path)
        assert operation["summary"]


async def test_each_operation_tells_of_its_failures_in_one_shape(document: Any) -> None:
    for path, _, operation in operations(document):
        failures = {status for status in operation["responses"] if int(status) >= 400}
        assert failures >= {"400", "401", "403", "422", "500", "503"}
        assert ("415" in failures) == ("requestBody" in operation)
        if "{" in path:
            assert failures >= {"404", "409"}
    for said in document["components"]["responses"].values():
        assert said["content"] == {"application/json": {"schema": FAILURE}}


async def test_the_kinds_of_each_failure_are_told(document: Any) -> None:
    said = document["components"]["responses"]["E404"]["description"]
    assert "`missing`, `no_such_model`, `no_such_path`, `not_installed`" in said


async def test_what_is_sent_is_closed_and_what_is_answered_is_open(document: Any) -> None:
    schemas = document["components"]["schemas"]
    sent = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        for *_, operation in operations(document)
        if "requestBody" in operation
    }
    assert {"RouteGiven", "SecretGiven", "TokenAsked", "Installing"} <= sent
    for name, schema in schemas.items():
        assert (schema.get("additionalProperties") is False) == (name in sent), name


async def test_a_body_is_required_where_it_has_required_fields(document: Any) -> None:
    required = {
        operation["operationId"]: operation["requestBody"]["required"]
        for *_, operation in operations(document)
        if "requestBody" in operation
    }
    assert required["set_alias"] is True
    assert required["scan"] is False
    heard = await ask(admin_app(FakeOperator()), "POST", "/api/models/scan")
    assert heard.status == 202


async def test_there_is_no_null_in_a_query(document: Any) -> None:
    asked = [
        one
        for *_, operation in operations(document)
        for one in operation["parameters"]
        if one["in"] == "query"
    ]
    assert len(asked) == 15
    assert b"null" not in msgspec.json.encode(asked)
    bounds = {one["name"]: one["schema"] for one in asked}
    assert bounds["offset"] == {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0}
    assert set(bounds["capability"]["enum"]) >= {"chat", "rerank"}


async def test_what_may_be_unknown_may_be_null(document: Any) -> None:
    url = document["components"]["schemas"]["Status"]["properties"]["url"]
    assert {"type": "null"} in url["anyOf"]


async def test_a_log_is_told_of_as_json_and_as_a_stream(document: Any) -> None:
    content = document["paths"]["/api/plugins/{name}/logs"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["application/json", "text/event-stream"]


async def test_the_document_takes_no_query() -> None:
    heard = await ask(admin_app(FakeOperator()), "GET", "/api/openapi.json?x=1")
    assert heard.status == 400


async def test_each_status_of_a_success_is_the_one_told(document: Any) -> None:
    told = {
        operation["operationId"]: min(operation["responses"])
        for *_, operation in operations(document)
    }
    assert {one: told[one] for one in ("install", "create_token", "reload", "grant")} == {
        "install": "202",
        "create_token": "201",
        "reload": "204",
        "grant": "200",
    }
    headers = document["paths"]["/api/plugins"]["post"]["responses"]["202"]["headers"]
    assert "location" in headers
