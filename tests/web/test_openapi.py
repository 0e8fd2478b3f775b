"""The description of the API is what the API is."""

from __future__ import annotations

import re

import msgspec
import pytest
from starlette.routing import Route

from redisjobs import RedisJobs
from redisjobs.web.api import ENDPOINTS
from redisjobs.web.api.spec import described
from tests.web.api import SPEC, V1
from tests.web.client import Client

MOST_IN_ONE = 1_000


@pytest.mark.quick
def test_the_description_is_up_to_date() -> None:
    assert msgspec.to_builtins(described(ENDPOINTS)) == SPEC, "run scripts/openapi"


def test_every_route_is_described_with_its_parts_and_no_other_is(app: RedisJobs) -> None:
    routes = {
        (method.lower(), re.sub(r":path", "", route.path))
        for route in app.web().routes
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or set()) - {"HEAD"}
    } - {("get", f"{V1}/openapi.json")}

    assert routes == {(method, path) for path, operations in SPEC["paths"].items() for method in operations}
    for path, operations in SPEC["paths"].items():
        for operation in operations.values():
            told = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
            assert told == re.findall(r"{(\w+)}", path)


@pytest.mark.quick
def test_each_operation_has_a_name_of_its_own_and_tells_what_it_takes_and_gives() -> None:
    operations = [one for path in SPEC["paths"].values() for one in path.values()]

    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["summary"] and "default" in one["responses"]
        names = [(parameter["name"], parameter["in"]) for parameter in one.get("parameters", ())]
        assert len(names) == len(set(names))


@pytest.mark.quick
def test_all_that_is_referred_to_is_there() -> None:
    text = msgspec.json.encode(SPEC).decode()
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))

    assert names == set(SPEC["components"]["schemas"])


@pytest.mark.quick
def test_whatever_has_many_has_a_bound() -> None:
    for path in SPEC["paths"].values():
        for operation in path.values():
            for one in operation.get("parameters", ()):
                if one["name"] == "limit":
                    assert one["schema"]["maximum"] == MOST_IN_ONE


def test_it_is_served(client: Client) -> None:
    found = client.get(f"{V1}/openapi.json")

    assert found.headers["content-type"] == "application/json" and found.json() == SPEC
