"""Who may look: an API token or the portal's word about an employee is exchanged for a cookie, which can be ended.

A visit opens what its token opens *now*: a token that is removed, narrowed or expired takes its visits with it. An
employee's visit is short instead: the portal is asked again by the page inside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from ...db import Storage, Tx
from ...model import ANY_DIALOG, DialogFilter
from ...values import dataclass
from ...visitors import Rights, Visit, Visitors, What
from ..access import Access
from ..api_tokens import hash_of
from ..key_file import KeyFile
from .refusal import Refused

TOKEN_VISIT_S: Final = 12 * 3600
PORTAL_VISIT_S: Final = 3600
LOOKS_KEPT_S: Final = 365 * 86_400
FORGOTTEN_AT_ONCE: Final = 20
WORD_S: Final = 900  # how long the portal's word about a person can be exchanged

Allowed = Literal["admins", "own", "line", "all"]


@dataclass(frozen=True, slots=True)
class Word:
    """What the portal says of an employee. `lines`: those whose queue the person stands in."""

    user_id: int
    name: str
    is_administrator: bool
    lines: tuple[int, ...] = ()


class Keeper:
    """`portal`: the origin of the installed portal, "" while there is none. `allowed`: what employees may see who do
    not administer it."""

    def __init__(
        self,
        storage: Storage,
        visitors: Visitors,
        access: Access,
        key: KeyFile,
        portal: Callable[[], str],
        allowed: Allowed,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._visitors = visitors
        self._access = access
        self._key = key
        self._portal = portal
        self.allowed = allowed
        self._now = now

    # --- entry

    def enter_with_token(self, given: str) -> str:
        """The cookie of a new visit. Raises ApiError 401 or 429 as the API does."""
        caller = self._access.caller_with(given, "read")
        now, authority = self._second(), self._sign_token(hash_of(given))
        return self._begin(Visit(0, authority, caller.name, None, caller.scope, None, False, now, now + TOKEN_VISIT_S))

    def word(self, person: Word) -> str:
        """The portal's word, signed, for `enter_with_word`; "" when this person may see nothing."""
        if not person.is_administrator and self.allowed == "admins":
            return ""
        claims = [person.user_id, person.name, person.is_administrator, person.lines, self._second() + WORD_S]
        packed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{packed}.{self._key.sign('word', self._portal(), packed)}"

    def enter_with_word(self, given: str) -> str:
        """The cookie of a new visit. Raises ApiError 401 when this is not our word, or an old one."""
        packed, _, signature = given.partition(".")
        portal = self._portal()
        if not portal or not hmac.compare_digest(signature.encode(), self._key.sign("word", portal, packed).encode()):
            raise Refused(401, "word_invalid")
        try:
            user_id, name, is_administrator, lines, expires = json.loads(base64.urlsafe_b64decode(packed))
        except (binascii.Error, ValueError):
            raise Refused(401, "word_invalid") from None
        now = self._second()
        if expires <= now:
            raise Refused(401, "word_expired")
        sees_all = is_administrator or self.allowed == "all"
        return self._begin(
            Visit(
                0,
                self._key.sign("portal", portal),
                name,
                user_id,
                "admin" if is_administrator else "read",
                None if sees_all or self.allowed == "own" else tuple(lines),
                self.allowed == "own" and not is_administrator,
                now,
                now + PORTAL_VISIT_S,
            )
        )

    def _begin(self, visit: Visit) -> str:
        cookie = secrets.token_urlsafe(32)
        self._storage.write(lambda tx: self._visitors.begin(tx, _hashed(cookie), visit))
        return cookie

    # --- afterwards

    def visit(self, cookie: str) -> Visit | None:
        """The visit behind a cookie, with what it opens now; None when it opens nothing (any more)."""
        found = self._visitors.find(_hashed(cookie), self._second()) if cookie else None
        if found is None:
            return None
        if found.user_id is not None:
            portal = self._portal()
            is_same = portal and hmac.compare_digest(found.authority, self._key.sign("portal", portal))
            return self._as_allowed_now(found) if is_same else None
        authority = found.authority
        caller = self._access.caller_behind(lambda digest: hmac.compare_digest(self._sign_token(digest), authority))
        if caller is None:
            return None
        lines = None if caller.line_id is None else (caller.line_id,)
        return replace(found, name=caller.name, rights=caller.scope, lines=lines)

    def _as_allowed_now(self, visit: Visit) -> Visit | None:
        """What the sysadmin has narrowed since then counts at once."""
        if visit.rights == "admin" or self.allowed == "all":
            return visit
        if self.allowed == "admins" or (self.allowed == "line" and visit.lines is None):
            return None
        return replace(visit, own=True) if self.allowed == "own" else visit

    def end(self, visit_id: int) -> None:
        self._storage.write(lambda tx: self._visitors.end(tx, visit_id))

    def note_look(self, visit: Visit, chat_id: int, what: What) -> None:
        """Returns when it is on disk: nobody sees what is not in the list."""
        now = self._second()

        def work(tx: Tx) -> None:
            self._visitors.looked(tx, visit, chat_id, what, now)
            self._visitors.forget_looks(tx, now - LOOKS_KEPT_S, FORGOTTEN_AT_ONCE)

        self._storage.write(work)

    def place(self, cookie: str, chat_id: int, seen: int) -> str:
        """Where somebody goes on in a conversation that was shown: whoever comes with it is written down already."""
        return f"{seen}.{self._key.sign('place', cookie, chat_id, seen)}"

    def is_place(self, cookie: str, chat_id: int, given: str) -> bool:
        number = given.partition(".")[0]
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        return is_number and hmac.compare_digest(self.place(cookie, chat_id, int(number)).encode(), given.encode())

    # --- forms

    def form_token(self, cookie: str) -> str:
        """Stands in every form of this visit: another site knows neither the cookie nor this."""
        return self._key.sign("form", cookie)

    def is_form_token(self, cookie: str, given: str) -> bool:
        return hmac.compare_digest(self.form_token(cookie).encode(), given.encode())

    def _sign_token(self, digest: str) -> str:
        return self._key.sign("token", digest)

    def _second(self) -> int:
        return int(self._now())


def within(visit: Visit, wanted: DialogFilter = ANY_DIALOG) -> DialogFilter:
    """What somebody asks for, within what the visit may see."""
    return replace(
        wanted, line_ids=visit.lines, participant_id=(visit.user_id or 0) if visit.own else wanted.participant_id
    )


def opens(visit: Visit, rights: Rights) -> bool:
    order: tuple[Rights, ...] = ("read", "export", "admin")
    return order.index(visit.rights) >= order.index(rights)


def _hashed(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).hexdigest()
