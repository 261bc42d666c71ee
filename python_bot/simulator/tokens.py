"""Access and refresh tokens, authorization codes and incoming webhooks of one portal."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .clock import Clock
from .model import Tokens

ACCESS_S = 3600
REFRESH_S = 180 * 24 * 3600
CODE_S = 30


@dataclass(slots=True)
class Grant:
    """What a token, refresh token or code stands for."""

    client_id: str
    user_id: int
    expires: int
    spent: bool = False


class TokenStore:
    def __init__(self, clock: Clock) -> None:
        self._clock, self._rng = clock, random.Random()  # never seeded: two portals share no secret
        self.access: dict[str, Grant] = {}
        self.refresh: dict[str, Grant] = {}
        self.codes: dict[str, Grant] = {}

    def issue(self, client_id: str, user_id: int) -> Tokens:
        now = int(self._clock.now())
        access, refresh = self.random_hex(70), self.random_hex(70)
        self.access[access] = Grant(client_id, user_id, now + ACCESS_S)
        self.refresh[refresh] = Grant(client_id, user_id, now + REFRESH_S)
        return Tokens(access, refresh, now + ACCESS_S)

    def issue_code(self, client_id: str, user_id: int) -> str:
        code = self.random_hex(50)
        self.codes[code] = Grant(client_id, user_id, int(self._clock.now()) + CODE_S)
        return code

    def redeem(self, grants: dict[str, Grant], secret: str, client_id: str) -> Grant | None:
        """Use up a refresh token or a code; None when it is unknown, spent, too old or another app's."""
        grant = grants.get(secret)
        if grant is None or grant.spent or grant.client_id != client_id or grant.expires <= self._clock.now():
            return None
        grant.spent = True
        return grant

    def expire_access(self) -> None:
        """All access tokens given so far are out of date from now on."""
        for grant in self.access.values():
            grant.expires = 0

    def forget(self, client_id: str) -> None:
        for grants in (self.refresh, self.codes):
            for secret in [secret for secret, grant in grants.items() if grant.client_id == client_id]:
                del grants[secret]

    def random_hex(self, digits: int) -> str:
        return f"{self._rng.getrandbits(digits * 4):0{digits}x}"
