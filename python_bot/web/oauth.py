"""GET on the handler: the OAuth return of a person's browser, or a page that says what this address is.

Used when the installation event was missed (we were down when the application was saved): an administrator
follows the link on the page, signs in, and comes back with a code that lives 30 seconds.
https://apidocs.bitrix24.com/settings/oauth/index.html
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from ..bitrix.hosts import HostPolicy, origin
from ..bitrix.tokens import Authorizer, Candidate
from ..errors import PortalError
from .door import Reply

log = logging.getLogger(__name__)

STATE_LIFETIME_S: Final = 3600


class OAuthReturn:
    """`settle`: confirms and stores what the code brought (raises PortalError); `ensure`: queues the set-up."""

    def __init__(
        self,
        authorizer: Authorizer,
        policy: HostPolicy,
        secret: str,
        settle: Callable[[Candidate], bool],
        ensure: Callable[[str], None],
    ) -> None:
        self._authorizer = authorizer
        self._policy = policy
        self._key = hashlib.sha256(b"oauth state\0" + secret.encode()).digest()
        self._settle = settle
        self._ensure = ensure
        self._one_at_a_time = threading.Lock()

    def visit(self, query: Mapping[str, str], trace_id: str) -> Reply:
        if query.get("code"):
            return self._return(query, trace_id)
        return Reply(200, "visit.html", self._state())

    def link(self) -> str:
        """Where an administrator authorizes the application, as long as that is needed; else ''."""
        return str(self._state()["link"])

    def _state(self) -> dict[str, object]:
        """What the page may tell a stranger: whether an authorization is needed, and the portal's own link to it."""
        stored = self._authorizer.store.current()
        needed = stored is None or not stored.works
        portal = origin(stored.client_endpoint) if stored else self._policy.portal
        link = ""
        if needed and portal and self._authorizer.client_id:
            fields = {"client_id": self._authorizer.client_id, "state": self.issue_state(time.time())}
            link = f"{portal}/oauth/authorize/?{urlencode(fields)}"
        return {"needed": needed, "link": link}

    def _return(self, query: Mapping[str, str], trace_id: str) -> Reply:
        given = query.get("state", "")
        if self._works() or (given and not self.is_state(given, time.time())):
            return Reply(200, "visit.html", self._state())
        portal = self._policy.rest_url("", query.get("domain", "")) or (
            f"{self._policy.portal}/rest/" if self._policy.portal else ""
        )
        if not portal:
            return Reply(200, "not_permitted.html", {"language": "ru"})
        if not self._one_at_a_time.acquire(timeout=10):
            return Reply(503)
        try:
            if self._works():  # somebody else has come back meanwhile
                return Reply(200, "visit.html", self._state())
            found = self._authorizer.exchange(query["code"], portal, query.get("server_domain", ""))
            self._settle(Candidate(found))
            self._ensure(trace_id)
        except PortalError as error:
            log.warning("an authorization by code failed: %s", error, extra={"trace_id": trace_id})
            return Reply(200, "authorized.html", {"problem": str(error), **self._state()})
        finally:
            self._one_at_a_time.release()
        log.info("authorized by code: %r", found, extra={"trace_id": trace_id})
        return Reply(200, "authorized.html", {"problem": ""})

    def _works(self) -> bool:
        """A code never replaces tokens that work, whoever brings it: any employee can get one, and a state as well."""
        stored = self._authorizer.store.current()
        return stored is not None and stored.works

    def issue_state(self, now: float) -> str:
        expires = str(int(now) + STATE_LIFETIME_S)
        return f"{expires}.{self._sign(expires)}"

    def is_state(self, given: str, now: float) -> bool:
        expires, _, signature = given.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12 and int(expires) > now):
            return False
        return hmac.compare_digest(signature.encode(), self._sign(expires).encode())

    def _sign(self, expires: str) -> str:
        return hmac.new(self._key, expires.encode(), hashlib.sha256).hexdigest()
