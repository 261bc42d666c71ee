"""What the portal says of us: one batch, then its own test event. Asked with the rights of the instance's user.

A portal that takes no more requests in this moment is asked again after its pause, as long as there is time.
"""

from __future__ import annotations

import contextvars
import email.utils
import http.client
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ..bitrix.client import LIMIT_PAUSE_S, BitrixClient, Command
from ..bitrix.connection import Connection, connect
from ..bitrix.ensure import LINE_FIELDS
from ..bitrix.hosts import origin
from ..bitrix.payload import Node
from ..bitrix.tokens import Installation
from ..bitrix.transport import Exchange
from ..errors import B24BotError, CallRefused, NotAuthorized, PortalError, PortalUnavailable
from .facts import LineSettings, PortalState, Subject, TokenState

T = TypeVar("T")

ANSWER_S: Final = 2.5
TEST_S: Final = 4.0
TEST_LEAST_S: Final = 2.0  # with less time left for its way, a test event that did not come would mean nothing
LOOK_S: Final = 0.05
CONNECTOR: Final = "connector "  # begins the name of a question about one
MOST_CONNECTORS: Final = 40  # a batch takes 50 questions
UNKNOWN_CONNECTOR: Final = ("NOT_ACTIVE_LINE", "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR")
# A person who left: https://apidocs.bitrix24.com/error-codes.html
DISMISSED: Final = ("authorization_error", "user_access_error")


def ask(
    subject: Subject,
    inbound_nonce: Callable[[], str],
    end: float,
    journal: Callable[[Exchange], None] = lambda exchange: None,
) -> PortalState:
    """`inbound_nonce`: what the last test event that arrived carried. `end`: by `time.monotonic()`. `journal`: told of
    every request."""
    link = connect(
        subject.home,
        portal=subject.portal,
        oauth_url=subject.oauth_url,
        client_id=subject.client_id,
        client_secret=subject.client_secret,
        journal=journal,
        read_timeout_s=ANSWER_S,
    )
    try:
        return _ask(link, subject, inbound_nonce, end)
    finally:
        link.transport.close()


def _ask(link: Connection, subject: Subject, inbound_nonce: Callable[[], str], end: float) -> PortalState:
    stored = link.tokens.current()
    if stored is None:
        return PortalState("none")
    if stored.uninstalled_at:
        return PortalState("uninstalled")
    seen = PortalState(
        "works",
        token_left_s=stored.expires_at - time.time(),
        renewable=link.authorizer.can_refresh(stored),
        clock_ahead_s=_clock_ahead(stored.client_endpoint),
    )
    renewal = _Renewal(link, stored) if seen.renewable else None
    try:
        answers = _answers(link.client, subject, end - ANSWER_S)
    except PortalError as error:
        seen = renewal.put_into(seen) if renewal else seen
        return replace(seen, token=_state_of(error, seen), problem=str(error))
    seen = renewal.put_into(seen) if renewal else seen
    renewed = (link.tokens.current() or stored).access_token != stored.access_token
    seen = replace(_read(seen, answers, stored, subject), renewed=renewed)
    return _test(link.client, seen, inbound_nonce, end) if subject.wish.event_mode == "webhook" else seen


def _state_of(error: PortalError, seen: PortalState) -> TokenState:
    if not isinstance(error, NotAuthorized):
        if seen.oauth_problem and (seen.token_left_s or 0) <= 0 and seen.clock_ahead_s is not None:
            return "unread"  # the portal answers; the renewal of the token, which is another server's, does not
        return "busy" if isinstance(error, PortalUnavailable) and error.busy else "unreachable"
    if any(code in str(error) for code in DISMISSED):
        return "dismissed"
    if not seen.renewable and seen.token_left_s is not None and seen.token_left_s <= 0:
        return "expired"
    return "dead"


class _Renewal:
    """Could the token be renewed? The authorization server is another one than the portal: asked beside it."""

    def __init__(self, link: Connection, stored: Installation) -> None:
        self._refusal: str | None = None
        self._problem = "no answer in time"
        # With the cause of the questions that are asked in the thread that began it.
        target, args = contextvars.copy_context().run, (self._ask, link, stored)
        self._thread = threading.Thread(target=target, args=args, name="b24bot-doctor-oauth", daemon=True)
        self._thread.start()

    def _ask(self, link: Connection, stored: Installation) -> None:
        try:
            self._refusal = link.authorizer.refusal_of_client(stored)
        except PortalError as error:
            self._problem = str(error)
        finally:
            self._problem = f"{origin(stored.oauth_base)}: {self._problem}"

    def put_into(self, seen: PortalState) -> PortalState:
        self._thread.join(ANSWER_S)
        problem = self._problem if self._refusal is None else ""
        return replace(seen, client_refusal=self._refusal, oauth_problem=problem)


def _commands(subject: Subject) -> dict[str, Command]:
    bots = "imbot.bot.list" if subject.wish.event_mode == "webhook" else "imbot.v2.Bot.list"
    return {
        "profile": Command("profile"),
        "scope": Command("scope"),
        "handlers": Command("event.get"),
        "bots": Command(bots),
        "lines": Command("imopenlines.config.list.get", {"PARAMS": {}}),
        **{
            f"{CONNECTOR}{connector}": Command("imconnector.status", {"CONNECTOR": connector, "LINE": line})
            for connector, line in list(subject.connectors.items())[:MOST_CONNECTORS]
        },
    }


def _answers(client: BitrixClient, subject: Subject, latest: float) -> dict[str, Any]:
    """Raises PortalError. `profile` is asked alone first: a token that a batch meets dead is told too late."""
    commands = _commands(subject)
    profile = _patiently(lambda: client.call("profile"), latest)
    rest = [name for name in commands if name != "profile"]
    found = _patiently(lambda: client.batch([commands[name] for name in rest]), latest)
    return {"profile": profile, **dict(zip(rest, found, strict=True))}


def _patiently(question: Callable[[], T], latest: float) -> T:
    """The answer; a busy portal is asked again until `latest`. The pause between is kept by the client's pace."""
    while True:
        try:
            return question()
        except PortalUnavailable as error:
            if not error.busy or time.monotonic() + (error.retry_after_s or LIMIT_PAUSE_S) > latest:
                raise


def _read(seen: PortalState, answers: dict[str, Any], stored: Installation, subject: Subject) -> PortalState:
    commands = _commands(subject)
    refusals = {
        commands[name].method: getattr(answer, "code", type(answer).__name__)
        for name, answer in answers.items()
        if isinstance(answer, B24BotError) and not name.startswith(CONNECTOR)
    }
    told = {name: None if isinstance(answer, B24BotError) else answer for name, answer in answers.items()}
    profile = Node(told["profile"])
    scopes = tuple(sorted(map(str, told["scope"]))) if isinstance(told["scope"], list) else None
    bots = told["bots"].get("bots") if isinstance(told["bots"], dict) and "bots" in told["bots"] else told["bots"]
    return replace(
        seen,
        scopes=scopes,
        user_id=profile.number("ID") or stored.user_id,
        admin=profile.yes("ADMIN") if "ADMIN" in (profile.raw or {}) else None,
        handlers=_rows(told["handlers"], lambda row: (row.text("event").upper(), row.text("handler"))),
        bots=_rows(bots, lambda row: (row.number("ID", "id") or 0, row.text("CODE", "code"))),
        lines=_rows(
            told["lines"],
            lambda row: LineSettings(
                row.number("ID") or 0, row.text("LINE_NAME"), {name: row.text(name) for name in LINE_FIELDS}
            ),
        ),
        connectors=_connectors(answers),
        refusals=refusals,
    )


def _connectors(answers: Mapping[str, Any]) -> dict[str, bool]:
    """Which are active on their line; one that the portal does not know is not."""
    found = {}
    for name, answer in answers.items():
        if not name.startswith(CONNECTOR):
            continue
        if not isinstance(answer, B24BotError):
            found[name.removeprefix(CONNECTOR)] = Node(answer).yes("STATUS")
        elif isinstance(answer, CallRefused) and answer.code in UNKNOWN_CONNECTOR:
            found[name.removeprefix(CONNECTOR)] = False
    return found


def _rows(answer: Any, read: Callable[[Node], Any]) -> tuple[Any, ...] | None:
    return None if answer is None else tuple(read(row) for row in Node(answer).nodes())


def _test(client: BitrixClient, seen: PortalState, inbound_nonce: Callable[[], str], end: float) -> PortalState:
    """The portal's event of our own making: whether it comes, and when."""
    nonce = f"doctor-{secrets.token_hex(8)}"
    if time.monotonic() > end - TEST_LEAST_S:
        return seen
    try:
        _patiently(lambda: client.call("event.test", {"nonce": nonce}), end - TEST_LEAST_S)
    except CallRefused as refusal:
        return replace(seen, refusals={**seen.refusals, "event.test": refusal.code})
    except PortalError as error:
        return replace(seen, problem=str(error))
    began = time.monotonic()
    last = min(end, time.monotonic() + TEST_S)
    while time.monotonic() < last:
        with suppress(B24BotError):
            if inbound_nonce() == nonce:
                return replace(seen, test_sent=True, test_s=time.monotonic() - began)
        time.sleep(LOOK_S)
    return replace(seen, test_sent=True)


def _clock_ahead(endpoint: str) -> float | None:
    """Our clock minus the portal's, by the Date of an answer to a request without any token; None when it told none."""
    url = urlsplit(endpoint)
    if not url.hostname:
        return None
    # Not checked: a certificate is not valid yet, or any more, to a clock that is wrong, and no secret is sent.
    insecure = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    connection = (
        http.client.HTTPSConnection(url.hostname, url.port, timeout=ANSWER_S, context=insecure)
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER_S)
    )
    try:
        connection.request("HEAD", "/", headers={"User-Agent": "b24bot"})
        with connection.getresponse() as answer:
            date = answer.getheader("Date") or ""
        return time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
