"""The REST door: who calls, what may be called, in which envelope it is answered."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .call import Caller, Ctx, Method, RestError
from .clock import iso
from .faults import Answer
from .journal import Call
from .methods import METHODS
from .php import as_int, as_text, is_yes, json_array, parse_str, upper_keys
from .references import resolve

if TYPE_CHECKING:
    from .core import Core

BATCH_LENGTH = 50
NOT_IN_BATCH = {"batch", "download", "upload"}
APP_ONLY_TEXTS = {
    "WRONG_AUTH_TYPE": "Current authorization type is denied for this method Application context required",
    "ACCESS_DENIED": "Access denied! Application context required",
}
TRANSPORT_KEYS = ("auth", "access_token", "start", "sessid")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to `/rest/…`, with its query and body already merged."""

    method: str
    params: dict[str, Any]
    token: str
    source: str
    webhook: tuple[int, str] | None = None  # user id and secret from the path


@dataclass(slots=True)
class Outcome:
    """What one method (or one command of a batch) came to."""

    result: Any = None
    error: RestError | None = None
    total: int | None = None
    next: int | None = None
    time: dict[str, Any] | None = None
    planned: Answer | None = None  # a fault answers instead


class Rest:
    def __init__(self, core: Core) -> None:
        self._core = core

    def answer(self, request: Request) -> Answer:
        """Run one request inside the current hit of the portal."""
        core = self._core
        started = time.perf_counter()
        caller: Caller | None = None
        if core.limits.enabled and not core.limits.bucket.admit(request.source, core.clock.now()):
            outcome = Outcome(error=RestError(503, "QUERY_LIMIT_EXCEEDED", "Too many requests"))
        else:
            try:
                method = self._find(request.method)
                caller = self._caller(request)
                self._check_rights(caller, method)
                outcome = self._fault(method, request.params, caller) or (
                    self._batch(request, caller)
                    if method.name == "batch"
                    else self._run(method, request.params, caller)
                )
            except RestError as error:
                outcome = Outcome(error=error)
        answer = outcome.planned or self._envelope(outcome, started)
        self._record(request, caller, request.method, request.params, outcome, answer.status, started)
        return answer

    # finding and allowing

    def _find(self, name: str) -> Method:
        method = METHODS.get(name.lower()) or METHODS.get(name)
        if method is None or (method.v2 and not self._core.build.v2_supported):
            raise RestError(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
        return method

    def _caller(self, request: Request) -> Caller:
        core = self._core
        if request.webhook is not None:
            for webhook in core.webhooks:
                if (webhook.user_id, webhook.secret) == request.webhook:
                    return Caller(core.users[webhook.user_id], None, webhook.scopes, "")
            raise RestError(401, "INVALID_CREDENTIALS", "Invalid request credentials")
        if not request.token:
            raise RestError(401, "NO_AUTH_FOUND", "Wrong authorization data")
        grant = core.tokens.access.get(request.token)
        if grant is None:
            raise RestError(401, "invalid_token", "Unable to get application by token")
        if grant.expires <= core.clock.now():
            raise RestError(401, "expired_token", "The access token provided has expired.")
        app = core.apps.get(grant.client_id)
        if app is None or app.deleted:
            raise RestError(401, "APPLICATION_NOT_FOUND", "Application not found")
        user = core.users.get(grant.user_id)
        if user is None or not user.active:
            raise RestError(401, "authorization_error", "Unable to authorize user")
        if user.is_client:
            raise RestError(401, "ACCESS_DENIED", "The user can't be authorized in this context")
        return Caller(user, app, app.scopes, request.token)

    def _check_rights(self, caller: Caller, method: Method) -> None:
        if not method.allowed_by(caller.scopes):
            if self._core.build.scope_refusal == "ERROR_METHOD_NOT_FOUND":
                raise RestError(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
            text = "The request requires higher privileges than provided by the access token"
            raise RestError(401, "insufficient_scope", text)
        if caller.app is None and method.app_only:
            raise RestError(403, method.app_only, APP_ONLY_TEXTS[method.app_only])

    # running

    def _fault(self, method: Method, params: Mapping[str, Any], caller: Caller) -> Outcome | None:
        """What a test has planned for this method."""
        found = self._core.faults.planned_for(method.name)
        if found is None:
            return None
        planned, is_done = found
        if is_done:
            self._run(method, params, caller)
        try:
            body = json.loads(planned.body)
        except ValueError:  # half an answer
            body = {"error": "", "error_description": ""}
        error = RestError(planned.status, body["error"], body["error_description"])
        return Outcome(error=error, planned=planned)

    def _run(self, method: Method, params: Mapping[str, Any], caller: Caller) -> Outcome:
        core = self._core
        now, started = core.clock.now(), time.perf_counter()
        operating = core.limits.operating
        if not operating.admit(caller.owner, method.name, now, budget=core.limits.enabled):
            text = "Method is blocked due to operation time limit."
            error = RestError(429, "OPERATION_TIME_LIMIT", text)
            return Outcome(error=error, time=self._time(started, caller.owner, method.name))
        own = {key: value for key, value in params.items() if key not in TRANSPORT_KEYS}
        if method.upper_keys:
            own = upper_keys(own)
        ctx = Ctx(core, caller, own, start=as_int(params.get("start")), owner=caller.owner)
        outcome = Outcome()
        try:
            outcome.result = method.run(ctx)
            outcome.total, outcome.next = ctx.total, ctx.next
        except RestError as error:
            outcome.error = error
        operating.add(caller.owner, method.name, now, time.perf_counter() - started)
        outcome.time = self._time(started, caller.owner, method.name)
        return outcome

    def _batch(self, request: Request, caller: Caller) -> Outcome:
        params = upper_keys(request.params)
        commands = params.get("CMD")
        if isinstance(commands, list):
            commands = dict(enumerate(commands))
        if not isinstance(commands, dict):
            raise RestError(400, "ERROR_ARGUMENT", "Argument 'CMD' is null or empty", {"argument": "CMD"})
        done: dict[Any, Any] = {}
        errors: dict[Any, Any] = {}
        totals: dict[Any, int] = {}
        nexts: dict[Any, int] = {}
        times: dict[Any, Any] = {}
        for number, (key, command) in enumerate(commands.items()):
            if not isinstance(command, str):
                continue
            outcome = self._command(number, command, request, caller, done)
            if outcome.error is not None:
                errors[key] = outcome.error.body()
                if is_yes(params.get("HALT")):
                    break
                continue
            done[key] = outcome.result
            times[key] = outcome.time
            if outcome.total is not None:
                totals[key] = outcome.total
            if outcome.next is not None:
                nexts[key] = outcome.next
        members = {"": done, "_error": errors, "_total": totals, "_next": nexts, "_time": times}
        return Outcome({f"result{name}": json_array(items) for name, items in members.items()})

    def _command(self, number: int, command: str, request: Request, caller: Caller, done: Mapping[Any, Any]) -> Outcome:
        started = time.perf_counter()
        name, _, query = command.partition("?")
        name = name.strip().strip("/").removesuffix(".json")
        params: dict[str, Any] = resolve(parse_str(query), done)
        try:
            if number >= BATCH_LENGTH:
                raise RestError(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
            if name.lower() in NOT_IN_BATCH:
                text = "Method is not allowed for batch usage"
                raise RestError(400, "ERROR_BATCH_METHOD_NOT_ALLOWED", text)
            method = self._find(name)
            self._check_rights(caller, method)
            outcome = self._fault(method, params, caller) or self._run(method, params, caller)
        except RestError as error:
            outcome = Outcome(error=error)
        status = outcome.error.status if outcome.error else 200
        self._record(request, caller, name, params, outcome, status, started, in_batch=True)
        return outcome

    # answering

    def _envelope(self, outcome: Outcome, started: float) -> Answer:
        times = outcome.time or self._time(started, "", "")
        if outcome.error is not None:
            return Answer(outcome.error.status, _json(outcome.error.body()))
        body: dict[str, Any] = {"result": outcome.result}
        if outcome.next is not None:
            body["next"] = outcome.next
        if outcome.total is not None:
            body["total"] = outcome.total
        body["time"] = times
        return Answer(200, _json(body))

    def _time(self, started: float, owner: str, method: str) -> dict[str, Any]:
        now = self._core.clock.now()
        took = time.perf_counter() - started
        operating = self._core.limits.operating
        return {
            "start": round(now - took, 6),
            "finish": round(now, 6),
            "duration": round(took, 6),
            "processing": round(took, 6),
            "date_start": iso(now - took),
            "date_finish": iso(now),
            "operating_reset_at": operating.reset_at(owner, method, now),
            "operating": round(operating.spent(owner, method, now), 6),
        }

    def _record(
        self,
        request: Request,
        caller: Caller | None,
        method: str,
        params: dict[str, Any],
        outcome: Outcome,
        status: int,
        started: float,
        in_batch: bool = False,
    ) -> None:
        took = time.perf_counter() - started
        self._core.journal.called(
            Call(
                at=self._core.clock.now() - took,
                method=method,
                params={key: value for key, value in params.items() if key not in ("auth", "access_token")},
                source=request.source,
                status=status,
                error=outcome.error.code if outcome.error else "",
                user_id=caller.user.user_id if caller else 0,
                client_id=caller.app.client_id if caller and caller.app else "",
                in_batch=in_batch,
                seconds=took,
            )
        )


def request_from(path: str, query: str, body: bytes, content_type: str, authorization: str, source: str) -> Request:
    """Read method, parameters and token from an HTTP request to `/rest/…`."""
    params: dict[str, Any] = parse_str(query)
    if body:
        if content_type.startswith("application/json"):
            try:
                sent = json.loads(body)
            except ValueError:
                sent = {}
            params |= sent if isinstance(sent, dict) else {}
        else:
            params |= parse_str(body.decode("utf-8", "replace"))
    parts = [part for part in path.removeprefix("/rest").split("/") if part]
    webhook = None
    if len(parts) >= 3 and parts[0].isdigit():
        webhook = (int(parts[0]), parts[1])
        parts = parts[2:]
    method = parts[0] if parts else ""
    for suffix in (".json", ".xml"):
        method = method.removesuffix(suffix)
    bearer = authorization.removeprefix("Bearer ").strip() if authorization.startswith("Bearer ") else ""
    token = as_text(params.get("auth")) or as_text(params.get("access_token")) or bearer
    return Request(method, params, token, source, webhook)


def _json(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
