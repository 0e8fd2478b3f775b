"""A program that asks the JSON API."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from redisjobs.web.api import DESCRIPTION
from tests.web.client import Client

V1 = "/api/v1"
SPEC: dict[str, Any] = msgspec.json.decode(DESCRIPTION.read_bytes())


class Api:
    """Asks, and holds each answer that is JSON to what the description says of it."""

    def __init__(self, client: Client) -> None:
        self.http = client.http

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Send a request without cookies, as programs do."""
        self.http.cookies.clear()
        if body is not None:
            more["content"] = msgspec.json.encode(body)
            more["headers"] = {"content-type": "application/json", **more.get("headers", {})}
        found = self.http.request(method, V1 + path, **more)
        if found.headers["content-type"] in ("application/json", "application/problem+json"):
            check_answer(method, found)
        return found

    def get(self, path: str, **params: Any) -> Any:
        """Return what stands there."""
        return self._done(self.ask("GET", path, params=params or None))

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        """Do something that is done."""
        return self._done(self.ask("POST", path, body, params=params or None))

    def delete(self, path: str, **params: Any) -> Any:
        """See `post`."""
        return self._done(self.ask("DELETE", path, params=params or None))

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """Send what is refused, and return the problem."""
        found = self.ask(method, path, body, **more)
        assert found.status_code == status, found.text
        assert found.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = found.json()
        assert problem["status"] == status and problem["title"] and problem["detail"]
        return problem

    @staticmethod
    def _done(found: httpx.Response) -> Any:
        assert found.status_code in (200, 201), found.text
        return found.json()


def check_answer(method: str, found: httpx.Response) -> None:
    """Fail unless an answer is as the description says."""
    operation = _operation(method, found.url.raw_path.decode().partition("?")[0].removeprefix(V1))
    if operation is None:  # asked for on purpose
        assert found.status_code in (404, 405), found.text
        return
    told = operation["responses"].get(str(found.status_code), operation["responses"]["default"])
    media = told["content"][found.headers["content-type"]]
    check(msgspec.json.decode(found.content), media["schema"], "$")


def check(value: Any, schema: dict[str, Any], where: str) -> None:
    """Fail unless a value fits a schema, and has nothing that the schema does not tell of."""
    if "$ref" in schema:
        check(value, SPEC["components"]["schemas"][schema["$ref"].rpartition("/")[2]], where)
    elif "anyOf" in schema:
        _check_any(value, schema["anyOf"], where)
    elif "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    elif schema.get("type") == "object":
        _check_object(value, schema, where)
    elif schema.get("type") == "array":
        assert isinstance(value, list), f"{where}: {value!r}"
        for at, item in enumerate(value):
            check(item, schema.get("items", {}), f"{where}[{at}]")
    elif "type" in schema:
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
        is_fit = isinstance(value, kinds[schema["type"]])
        assert is_fit and isinstance(value, bool) == (schema["type"] == "boolean"), f"{where}: {value!r}"


def _check_any(value: Any, schemas: list[dict[str, Any]], where: str) -> None:
    problems = []
    for one in schemas:
        try:
            check(value, one, where)
        except AssertionError as problem:
            problems.append(str(problem))
        else:
            return
    raise AssertionError("; ".join(problems))


def _check_object(value: Any, schema: dict[str, Any], where: str) -> None:
    assert isinstance(value, dict), f"{where}: {value!r}"
    known = schema.get("properties", {})
    missing = set(schema.get("required", ())) - set(value)
    assert not missing, f"{where}: no {missing}"
    more = schema.get("additionalProperties")
    unknown = set(value) - set(known)
    assert not unknown or isinstance(more, dict) or not known, f"{where}: has {unknown}"
    for name, item in value.items():
        check(item, known.get(name, more if isinstance(more, dict) else {}), f"{where}.{name}")


def _operation(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation of a path that was asked for; of parts in braces the last ones fit a slash, too."""
    parts = path.strip("/").split("/")
    for template, operations in sorted(SPEC["paths"].items(), key=lambda one: one[0].count("{")):
        wanted = template.removeprefix(V1).strip("/").split("/")
        is_fit = len(wanted) == len(parts) and all(
            w.startswith("{") or w == p for w, p in zip(wanted, parts, strict=True)
        )
        if is_fit and method.lower() in operations:
            return operations[method.lower()]
    return None
