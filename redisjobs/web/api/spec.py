"""The description of the API, made of its table of endpoints: OpenAPI 3.1. `scripts/openapi` writes it to a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec

from redisjobs.web.api.endpoint import JSON, LINES, V1, Endpoint

_REFERENCE = "#/components/schemas/{name}"
_PART = re.compile(r"{(\w+)(?::path)?}")
_ABOUT = (
    "What the pages show and do, for programs. Names are in snake_case, times are Unix seconds, durations end with _s. "
    "Errors are problem+json (RFC 9457). Everything is bounded: what was not looked at yet is told by a cursor."
)
_PROBLEM = {
    "title": "Problem",
    "description": "What is wrong (title), and what to do (detail).",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["type", "status", "title", "detail"],
}


def described(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the description as plain data."""
    known = list(endpoints)
    kinds = {kind for one in known for kind in (one.params, one.body, one.answer) if kind is not None}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    for schema in schemas.values():
        schema["description"] = cleandoc(schema.get("description", ""))  # as deeply indented as Python's version has it
    shown = {name: schema for name, schema in schemas.items() if not _is_params(name, known)}
    paths: dict[str, Any] = {}
    for one in known:
        paths.setdefault(V1 + _PART.sub(r"{\1}", one.path), {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "redisjobs", "version": "1", "description": _ABOUT},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": _PROBLEM, **shown},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"basic": []}],
    }


def _operation(one: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"summary": one.summary, "operationId": _id(one)}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _PART.findall(one.path)
    ]
    asked = schemas[one.params.__name__]
    for name, schema in asked["properties"].items():
        kept = {key: value for key, value in schema.items() if key != "description"}
        about = {"description": schema["description"]} if "description" in schema else {}
        required = {"required": True} if name in asked.get("required", ()) else {}
        parameters.append({"name": name, "in": "query", **about, **required, "schema": kept})
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        found["requestBody"] = {"required": True, "content": _content(JSON, one.body)}
    elif one.takes != JSON:
        found["requestBody"] = {"required": True, "content": {one.takes: {"schema": {"type": "string"}}}}
    given = _content(one.media, one.answer) if one.answer else {one.media: {"schema": {"type": "string"}}}
    problem = {"schema": {"$ref": _REFERENCE.format(name="Problem")}}
    found["responses"] = {
        str(one.status): {"description": "Lines." if one.media == LINES else "Done.", "content": given},
        "default": {"description": "Not done.", "content": {"application/problem+json": problem}},
    }
    return found


def _content(media: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {media: {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}}


def _is_params(name: str, known: Iterable[Endpoint]) -> bool:
    return any(one.params.__name__ == name for one in known)


def _id(one: Endpoint) -> str:
    words = re.findall(r"\w+", _PART.sub(r"one_\1", one.path))
    return "_".join((one.method.lower(), *words))
