"""The parameters of one request, whatever way they came: query, form, JSON or multipart."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from ..http import HttpRequest
from ..multipart import BrokenForm, FormFile, read_form
from .errors import Refused, bad_request


class Params:
    """Everything is text, as for the real server: a number, an object and a list are their JSON."""

    def __init__(self, values: dict[str, str], files: dict[str, FormFile]) -> None:
        self.values, self.files = values, files
        self.fetched: dict[str, FormFile | Refused] = {}  # what the messenger has got from URLs in the values

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def has(self, name: str) -> bool:
        return name in self.values or name in self.files

    def integer(self, name: str, default: int = 0) -> int:
        try:
            return int(self.values.get(name, "") or default)
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").lower() in ("true", "1", "yes")

    def number(self, name: str) -> float | None:
        try:
            return float(self.values[name])
        except (KeyError, ValueError):
            return None

    def object(self, name: str) -> dict[str, Any] | None:
        """A JSON object; None when it is not given."""
        found = self._json(name)
        if found is not None and not isinstance(found, dict):
            raise bad_request(f"object expected as {name.replace('_', ' ')}")
        return found

    def list(self, name: str) -> list[Any] | None:
        """A JSON array; None when it is not given."""
        found = self._json(name)
        if found is not None and not isinstance(found, list):
            raise bad_request(f"can't parse {name} JSON object: expected an Array")
        return found

    def _json(self, name: str) -> Any:
        value = self.values.get(name, "")
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None


def read_params(request: HttpRequest) -> Params:
    """The query and the body together; what the body says wins. Raises Refused."""
    values = dict(parse_qsl(request.query, keep_blank_values=True, errors="strict"))
    files: dict[str, FormFile] = {}
    kind = request.headers.get_content_type() if "Content-Type" in request.headers else ""
    if not request.body:
        return Params(values, files)
    try:
        if kind == "application/json":
            values |= _json_values(request.body)
        elif kind == "multipart/form-data":
            for field in read_form(request.headers, request.body):
                if field.file is not None:
                    files[field.name] = field.file
                else:
                    values[field.name] = field.text
        elif kind == "application/x-www-form-urlencoded":
            values |= dict(parse_qsl(request.body.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise bad_request("strings must be encoded in UTF-8") from None
    except BrokenForm as error:
        raise bad_request(f"can't parse multipart form: {error}") from None
    return Params(values, files)


def _json_values(body: bytes) -> dict[str, str]:
    try:
        found = json.loads(body.decode())
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise bad_request("can't parse JSON object") from None
    if not isinstance(found, dict):
        raise bad_request("expected an Object")
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in found.items()
    }
