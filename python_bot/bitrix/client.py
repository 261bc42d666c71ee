"""REST calls of an installed application: pace, token, refresh, renamed portals, batches.

Conventions: https://apidocs.bitrix24.com/settings/how-to-call-rest-api/ . Top-level parameters go in upper case:
some methods read nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol
from urllib.parse import quote

from ..errors import PortalError, PortalUnavailable
from ..values import dataclass
from .operating import OperatingTimes
from .pace import Pace
from .tokens import Authorizer, Installation
from .transport import Moved, TokenExpired, Transport, failure, result_of

BATCH_LIMIT: Final = 50
LIMIT_PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Command:
    """One method with its parameters, alone or inside a batch."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)


class CallObserver(Protocol):
    def __call__(self, method: str, outcome: str, seconds: float) -> None:
        """Told of every finished request: 'ok' or the error's class or code."""


class BitrixClient:
    def __init__(
        self,
        transport: Transport,
        authorizer: Authorizer,
        pace: Pace,
        *,
        now: Callable[[], float] = time.time,
        observe: CallObserver = lambda method, outcome, seconds: None,
    ) -> None:
        self.authorizer = authorizer
        self._transport = transport
        self._pace = pace
        self._now = now
        self._observe = observe
        self.operating = OperatingTimes()

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, urgent: bool = False) -> Any:
        """The `result` of one method. Raises PortalUnavailable, NotAuthorized or CallRefused."""
        return self.whole(method, params, urgent=urgent)["result"]

    def whole(self, method: str, params: Mapping[str, Any] | None = None, *, urgent: bool = False) -> dict[str, Any]:
        """The same with what stands beside the `result`: `total` and `next` of a list, `time`."""
        installation = self.authorizer.current()
        try:
            return self._send(installation, method, params or {}, urgent)
        except TokenExpired:
            installation = self.authorizer.refresh(installation)
        except Moved as move:
            installation = self.authorizer.moved(installation, move.location)
        try:
            return self._send(installation, method, params or {}, urgent)
        except (TokenExpired, Moved) as error:
            # A fresh token that is refused, or a second redirect: the portal is in transition.
            raise PortalUnavailable(f"{method}: {error}") from None

    def batch(self, commands: Sequence[Command], *, urgent: bool = False) -> list[Any]:
        """Up to 50 methods as one request: for each its result, or the PortalError it ended in (not raised).

        Raises as `call` does when the request as a whole failed.
        """
        if len(commands) > BATCH_LIMIT:
            raise ValueError(f"a batch holds {BATCH_LIMIT} commands, not {len(commands)}")
        cmd = {f"c{i}": f"{c.method}?{php_query(c.params)}" for i, c in enumerate(commands)}
        answer = self.call("batch", {"halt": 0, "cmd": cmd}, urgent=urgent)
        results, errors = _members(answer, "result"), _members(answer, "result_error")
        times = _members(answer, "result_time")
        for i, command in enumerate(commands):
            self.operating.note(command.method, times.get(f"c{i}"))
        return [self._outcome(f"c{i}", command, results, errors) for i, command in enumerate(commands)]

    def call_as(self, installation: Installation, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """One method with a token that is not stored (yet): to confirm an installation."""
        try:
            return self._send(installation, method, params or {}, urgent=False)["result"]
        except Moved:
            raise PortalUnavailable(f"{method}: the portal redirects elsewhere") from None

    def _outcome(self, key: str, command: Command, results: dict[str, Any], errors: dict[str, Any]) -> Any:
        error = errors.get(key)
        if error:
            body = error if isinstance(error, dict) else {"error": str(error)}
            found = self._noted(failure(command.method, body, 0, None, self._now()))
            # The token died between the batch and its command: the next request finds out and refreshes.
            return PortalUnavailable(str(found)) if isinstance(found, TokenExpired) else found
        if key in results:
            return results[key]
        return PortalUnavailable(f"{command.method}: the batch holds no answer for it")

    def _noted(self, error: PortalError) -> PortalError:
        if isinstance(error, PortalUnavailable) and error.blocked_method:
            self.operating.blocked(error.blocked_method, error.retry_after_s)
        return error

    def _send(self, installation: Installation, method: str, params: Mapping[str, Any], urgent: bool) -> dict[str, Any]:
        if not self._pace.acquire(urgent=urgent):
            raise PortalUnavailable("the instance is stopping")
        started = time.monotonic()
        outcome = "ok"
        try:
            answer = self._transport.post(
                f"{installation.client_endpoint}{method}", {**params, "auth": installation.access_token}
            )
            if isinstance(answer.json, dict):
                self.operating.note(method, answer.json.get("time"))
            result_of(method, answer, self._now())
            body: dict[str, Any] = answer.json
            return body
        except PortalError as error:
            self._noted(error)
            outcome = getattr(error, "code", type(error).__name__)
            if isinstance(error, PortalUnavailable) and error.busy:
                self._pace.close_for(error.retry_after_s or LIMIT_PAUSE_S)
            raise
        finally:
            self._observe(method, outcome, time.monotonic() - started)


def php_query(params: Mapping[str, Any], prefix: str = "") -> str:
    """Parameters as PHP's http_build_query writes them: {'PARAMS': {'A': 1}} -> 'PARAMS%5BA%5D=1'."""
    parts: list[str] = []
    for key, value in params.items():
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, Mapping):
            parts.append(php_query(value, name))
        elif isinstance(value, list | tuple):
            parts.append(php_query({str(i): item for i, item in enumerate(value)}, name))
        elif value is not None:
            text = str(int(value)) if isinstance(value, bool) else str(value)
            parts.append(f"{quote(name, safe='')}={quote(text, safe='')}")
    return "&".join(part for part in parts if part)


def _members(answer: Any, name: str) -> dict[str, Any]:
    """A member of a batch answer; PHP writes an empty map as [] and may write a map with keys 0.. as a list."""
    members = answer.get(name) if isinstance(answer, dict) else None
    return members if isinstance(members, dict) else {}
