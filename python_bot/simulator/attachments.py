"""Files of imconnector.send.messages: the portal downloads them from the URLs it is given."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from .php import parse_str, values_of

SENDING = "imconnector.send.messages"
TIMEOUT_S = 5.0


def fetch_attachments(method: str, params: Mapping[str, Any]) -> dict[str, bytes]:
    """URL -> content for every file of a request (batches too); a URL that fails is left out."""
    found: dict[str, bytes] = {}
    for url in _urls(method, params):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
                found[url] = response.read()
        except (OSError, ValueError, http.client.HTTPException):
            continue
    return found


def _urls(method: str, params: Mapping[str, Any]) -> Iterator[str]:
    lowered = {str(key).lower(): value for key, value in params.items()}
    if method.lower() == "batch":
        for command in values_of(lowered.get("cmd")):
            name, _, query = str(command).partition("?")
            if name.lower() == SENDING:
                yield from _urls(name, parse_str(query))
    elif method.lower() == SENDING:
        yield from _urls_in(lowered.get("messages"))


def _urls_in(node: Any) -> Iterator[str]:
    """`url` of everything under a `files` key."""
    for item in values_of(node):
        files = values_of(_lower(_lower(item).get("message")).get("files"))
        yield from (str(_lower(file)["url"]) for file in files if _lower(file).get("url"))


def _lower(value: Any) -> dict[str, Any]:
    return {str(key).lower(): inner for key, inner in value.items()} if isinstance(value, dict) else {}
