"""Our webhook at Avito: register it, take back those of ours that are out of date, say how it stands.

Subscriptions add up: registering a new address leaves the old one in force, so that a secret is changed without a gap.
Addresses of other programs are let alone. https://developers.avito.ru/api-catalog/messenger/documentation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...errors import DeliveryFailed

VERSIONS: Final = ("/messenger/v3/webhook", "/messenger/v2/webhook", "/messenger/v1/webhook")
SUBSCRIPTIONS: Final = "/messenger/v1/subscriptions"
UNSUBSCRIBE: Final = "/messenger/v1/webhook/unsubscribe"

Post = Callable[[str, Mapping[str, Any]], Any]  # a path and a payload to the JSON of the answer


def subscribe(post: Post, url: str, ours: str) -> None:
    """Make `url` known; then what else begins with `ours` is taken back. Raises DeliveryFailed."""
    known = subscriptions(post)
    if known.get(url) != "3":
        _register(post, url)
    for stale in known:
        if stale != url and stale.startswith(ours):
            post(UNSUBSCRIBE, {"url": stale})


def unsubscribe(post: Post, ours: str) -> None:
    """Take back every address of ours. Raises DeliveryFailed."""
    for url in subscriptions(post):
        if url.startswith(ours):
            post(UNSUBSCRIBE, {"url": url})


def subscriptions(post: Post) -> dict[str, str]:
    """The addresses that Avito calls, each with the version of what it is sent ('3')."""
    answer = post(SUBSCRIPTIONS, {})
    found = answer.get("subscriptions") if isinstance(answer, dict) else None
    return {
        str(one["url"]): str(one.get("version", ""))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict) and "url" in one
    }


def _register(post: Post, url: str) -> None:
    for number, path in enumerate(VERSIONS, 1):
        try:
            post(path, {"url": url})
        except DeliveryFailed as failure:
            if failure.status == 409:  # it is known already
                return
            if failure.status not in (404, 410) or number == len(VERSIONS):
                raise
        else:
            return
