"""The contract of the API as data, and what the tests ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, NamedTuple

import yaml

from .server import ROOT

PATH: Final = ROOT / "python_bot/web/api/openapi.yaml"
METHODS: Final = ("get", "post", "patch", "delete", "put")


class Operation(NamedTuple):
    method: str
    path: str
    spec: dict[str, Any]
    parameters: list[dict[str, Any]]


def load() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return found


def resolve(contract: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """A node with its `$ref` followed; what stands beside the `$ref` (a description) wins."""
    if "$ref" not in node:
        return node
    target: Any = contract
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return resolve(contract, target) | {key: value for key, value in node.items() if key != "$ref"}


def operations(contract: dict[str, Any]) -> Iterator[Operation]:
    for path, item in contract["paths"].items():
        for method in METHODS:
            if method in item:
                listed = [*item.get("parameters", []), *item[method].get("parameters", [])]
                yield Operation(method.upper(), path, item[method], [resolve(contract, each) for each in listed])


def closed(contract: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with every reference in its place and no field allowed that it does not name."""
    schema = resolve(contract, deepcopy(schema))
    for part in schema.pop("allOf", ()):
        schema = _together(schema, resolve(contract, part))
    if "oneOf" in schema:
        schema["oneOf"] = [closed(contract, part) for part in schema["oneOf"]]
    if "items" in schema:
        schema["items"] = closed(contract, schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = closed(contract, schema["additionalProperties"])
    if "properties" in schema:
        schema["properties"] = {name: closed(contract, part) for name, part in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    return schema


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two parts of an `allOf` as one schema."""
    both = dict(one)
    for key, value in other.items():
        there = both.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            both[key] = _together(there, value)
        elif key == "required" and isinstance(there, list):
            both[key] = [*there, *value]
        else:
            both[key] = value
    return both


def fields(contract: dict[str, Any], schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a schema by its place, `messages[].author.name`, with its own schema."""
    schema = resolve(contract, schema)
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from fields(contract, part, at)
    if "items" in schema:
        yield from fields(contract, schema["items"], f"{at}[]")
    for name, part in schema.get("properties", {}).items():
        place = f"{at}.{name}".lstrip(".")
        yield place, resolve(contract, part)
        yield from fields(contract, part, place)


def places(value: Any, at: str = "") -> Iterator[str]:
    """The places that an answer fills, named as in `fields`; a `null` fills its own."""
    if isinstance(value, dict):
        for name, part in value.items():
            place = f"{at}.{name}".lstrip(".")
            yield place
            yield from places(part, place)
    elif isinstance(value, list):
        for part in value:
            yield from places(part, f"{at}[]")


def codes(contract: dict[str, Any], operation: Operation, status: int) -> set[str]:
    """The error codes that an operation answers with a status."""
    found = operation.spec["responses"].get(str(status))
    if found is None:
        return set()
    schema = resolve(contract, found).get("content", {}).get("application/json", {}).get("schema", {})
    narrowing = [part["properties"]["error"] for part in schema.get("allOf", ()) if "properties" in part]
    return {code for part in narrowing for code in part["properties"]["code"]["enum"]}
