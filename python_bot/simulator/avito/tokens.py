"""Access tokens: 24 hours, asked for again and again; several of a key live at once."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..clock import Clock
from .model import Shop

TOKEN_S = 86400


@dataclass(slots=True)
class _Token:
    shop: Shop
    expires: float


class Tokens:
    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self._tokens: dict[str, _Token] = {}
        self.issued = 0

    def issue(self, shop: Shop) -> dict[str, str | int]:
        token = f"{self._rng.getrandbits(128):032x}"
        self._tokens[token] = _Token(shop, self._clock.now() + TOKEN_S)
        self.issued += 1
        return {"access_token": token, "expires_in": TOKEN_S, "token_type": "Bearer"}

    def revoke(self, shop: Shop) -> None:
        """Every token of a key stops working."""
        self._tokens = {text: token for text, token in self._tokens.items() if token.shop is not shop}

    def shop_of(self, authorization: str) -> Shop | None:
        """Whose token a header carries; None when it is none, or too old."""
        scheme, _, text = authorization.partition(" ")
        token = self._tokens.get(text) if scheme.lower() == "bearer" else None
        return token.shop if token is not None and token.expires > self._clock.now() else None
