"""`/api/telegram/bots`: the Telegram bots of this instance."""

from __future__ import annotations

import secrets
from typing import Final

from .accounts import Kind

BOTS: Final = Kind(
    channel="telegram",
    path="telegram/bots",
    plural="bots",
    number="bot_id",
    needs=("token",),
    may=("webhook_secret",),
    flags={"polling": True, "signature": True},
    # Made at once, whether it is used or not: the way in can be switched later without another thought.
    fresh=lambda: {"webhook_secret": secrets.token_urlsafe(32)},
)
