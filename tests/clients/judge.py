"""Run by the tests with the interpreter of .venv/clients: holds updates and answers to aiogram's models.

A line of standard input: {"updates": [[name, update], …], "calls": [[method, result], …]}; a line of standard output
for it: the complaints, a list of texts. What aiogram does not know is a complaint too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from aiogram import methods
from aiogram.types import Update
from pydantic import BaseModel, TypeAdapter, ValidationError

RETURNS = {
    name.lower(): found.__returning__
    for name, found in vars(methods).items()
    if isinstance(found, type) and hasattr(found, "__returning__")
}


def unknown_fields(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}.{name} is not a field"
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from unknown_fields(inner, f"{path}[{at}]")


def judge(name: str, kind: Any, value: Any) -> Iterator[str]:
    try:
        # Through JSON: in Python's own strictness a list is no tuple.
        yield from unknown_fields(TypeAdapter(kind).validate_json(json.dumps(value)), name)
    except ValidationError as error:
        yield from (f"{name}.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())


def main() -> None:
    for line in sys.stdin:
        given = json.loads(line)
        complaints: list[str] = []
        for name, update in given.get("updates", []):
            complaints += judge(name, Update, update)
        for method, result in given.get("calls", []):
            complaints += judge(method, RETURNS[method.lower()], result)
        print(json.dumps(complaints), flush=True)


main()
