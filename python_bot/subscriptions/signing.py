"""What is sent, and how the receiver can know that it came from us. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import Final

from ..model import Excerpt, time_text
from .contract import Delivery

TIMESTAMP: Final = "X-B24Bot-Timestamp"
DELIVERY: Final = "X-B24Bot-Delivery"
EVENT: Final = "X-B24Bot-Event"
SIGNATURE: Final = "X-B24Bot-Signature"


def new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"


def body(delivery: Delivery, instance: str, excerpt: Excerpt | None) -> bytes:
    """{"id", "event", "created_at", "instance", "data"}; `excerpt` None: a ping, whose data is empty."""
    head = {
        "id": delivery.id,
        "event": delivery.event,
        "created_at": time_text(delivery.created_at),
        "instance": instance,
    }
    data = "{}"
    if excerpt is not None:
        message = f',"message":{excerpt.message}' if excerpt.message is not None else ""
        data = f'{{"dialog":{excerpt.dialog}{message}}}'
    return f'{json.dumps(head)[:-1]}, "data": {data}}}'.encode()


def signature(secret: str, timestamp: int, content: bytes) -> str:
    """'sha256=<hex>' over `<timestamp>.<body>`."""
    return f"sha256={hmac.new(secret.encode(), b'%d.%s' % (timestamp, content), hashlib.sha256).hexdigest()}"


def headers(secret: str, delivery: Delivery, timestamp: int, content: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "b24bot",
        EVENT: delivery.event,
        DELIVERY: str(delivery.id),
        TIMESTAMP: str(timestamp),
        SIGNATURE: signature(secret, timestamp, content),
    }
