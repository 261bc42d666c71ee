"""What our own requests look like in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..attachments.download import Fetched
from ..bitrix.transport import Exchange
from ..channels.base import Call
from ..subscriptions.courier import Called
from . import shape
from .record import Cause, Outcome, Record, current_causes

VERBS: Final = ("GET", "POST", "PUT", "DELETE")
POLLS: Final = "poll-"  # begins the trace of an account that is asked again and again
POLLED: Final = "/rest/imbot.v2.event.get"  # the fetch mode asks once a second
_REFUSED: Final[Mapping[str, Outcome]] = {
    "expired_token": "expired",
    "invalid_token": "unknown",
    "NO_AUTH_FOUND": "missing",
    "insufficient_scope": "insufficient",
    "invalid_grant": "unknown",
    "invalid_client": "unknown",
}


class Outbound:
    """`note`: takes the records."""

    def __init__(self, note: Callable[[Record], None], now: Callable[[], float] = time.time) -> None:
        self._note = note
        self._now = now

    def exchange(self, exchange: Exchange) -> None:
        """A REST call, or a request for tokens."""
        url = urlsplit(exchange.url)
        answer, causes = exchange.answer, current_causes()
        status = answer.status if answer is not None else None
        code, text = _error(answer.json) if answer is not None else (exchange.failure, "")
        is_ok = status is not None and status < 400 and not code
        self._note(
            Record(
                at=self._now() - exchange.seconds,
                direction="out",
                kind="token" if url.path.startswith("/oauth/") else "rest",
                method=exchange.verb,
                path=url.path,
                status=status,
                duration_ms=round(exchange.seconds * 1000, 1),
                causes=causes,
                subject=_commands(exchange.sent),
                portal=url.netloc,
                authorization="access_token" if "auth" in exchange.sent else "none",
                outcome="ok" if is_ok else _REFUSED.get(code, ""),
                error_code=code,
                error_text=text,
                request_shape=shape.of_value(exchange.sent),
                answer_shape=shape.of_value(answer.json) if answer is not None else "",
                repeats=is_ok and not causes and url.path.lower() == POLLED,
            )
        )

    def download(self, fetched: Fetched) -> None:
        url = urlsplit(fetched.url)
        self._note(
            Record(
                at=self._now() - fetched.seconds,
                direction="out",
                kind="download",
                method="GET",
                path=f"/{url.path.split('/')[1]}/…" if url.path.count("/") > 1 else "/…",  # the rest may name the file
                status=fetched.status,
                duration_ms=round(fetched.seconds * 1000, 1),
                causes=current_causes(),
                portal=url.netloc,
                error_code=fetched.failure,
            )
        )

    def webhook(self, called: Called) -> None:
        """What an integrator wanted to be told."""
        self._note(
            Record(
                at=self._now() - called.seconds,
                direction="out",
                kind="webhook",
                method="POST",
                path="/…",  # a secret of the receiver's, often
                status=called.status,
                duration_ms=round(called.seconds * 1000, 1),
                causes=(Cause("", called.chat_id, "webhook"),),
                subject=called.event,
                portal=called.host,
                outcome="" if called.failure else "ok",
                error_code="delivery_failed" if called.failure else "",
                error_text=called.failure,
            )
        )

    def messenger(self, called: Call) -> None:
        """A call of Telegram, Avito, … Its address holds the token, so the method that was asked for stands there."""
        causes = current_causes()
        is_verb = called.method in VERBS
        is_ok = called.status is not None and called.status < 400
        self._note(
            Record(
                at=self._now() - called.seconds,
                direction="out",
                kind="messenger",
                method=called.method if is_verb else "POST",
                path="/…",
                status=called.status,
                duration_ms=round(called.seconds * 1000, 1),
                causes=causes,
                subject="" if is_verb else called.method,
                portal=called.host,
                outcome="ok" if is_ok else "",
                error_code=called.failure,
                repeats=is_ok and all(cause.trace_id.startswith(POLLS) for cause in causes),
            )
        )


def _error(body: Any) -> tuple[str, str]:
    """Code and words of the portal; of a batch, the codes of its members."""
    if not isinstance(body, dict):
        return "", ""
    if body.get("error"):
        return str(body["error"]), str(body.get("error_description") or "")
    result = body.get("result")
    errors = result.get("result_error") if isinstance(result, dict) else None
    members = errors.values() if isinstance(errors, dict) else errors if isinstance(errors, list) else ()
    codes = [str(member.get("error")) for member in members if isinstance(member, dict)]
    return shape.counted(codes), ""


def _commands(sent: Mapping[str, Any]) -> str:
    """The methods inside a batch."""
    commands = sent.get("cmd")
    values = commands.values() if isinstance(commands, Mapping) else ()
    return shape.counted(unquote(str(command).partition("?")[0]) for command in values)
