from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.client import LIMIT_PAUSE_S
from python_bot.bitrix.transport import Answer, Moved, TokenExpired, failure, result_of
from python_bot.errors import CallRefused, NotAuthorized, PortalError, PortalUnavailable
from tests.unit.trees import trees

NOW = 1_785_312_000.0


def outcome(status: int, body: Any, *, retry_after_s: float | None = None, location: str = "") -> Any:
    try:
        return result_of("imbot.register", Answer(status, retry_after_s, location, body), NOW)
    except PortalError as error:
        return error


def error_of(status: int, code: str, **more: Any) -> Any:
    return outcome(status, {"error": code, "error_description": "why"}, **more)


def test_a_result_is_whatever_stands_under_result() -> None:
    assert outcome(200, {"result": 597, "time": {}}) == 597
    assert outcome(200, {"result": None}) is None
    assert outcome(200, {"result": False}) is False
    assert outcome(200, {"result": []}) == []
    assert outcome(201, {"result": {"a": 1}}) == {"a": 1}


@pytest.mark.parametrize("code", ["expired_token", "invalid_token", "NO_AUTH_FOUND"])
@pytest.mark.parametrize("status", [401, 400, 200])
def test_a_token_that_is_not_known_asks_for_a_refresh(code: str, status: int) -> None:
    assert isinstance(error_of(status, code), TokenExpired)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "APPLICATION_NOT_FOUND"),
        (401, "authorization_error"),
        (401, "user_access_error"),
        (403, "user_access_error"),
        (403, "PORTAL_DELETED"),
        (400, "PAYMENT_REQUIRED"),
        (400, "NOT_INSTALLED"),
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (401, "WRONG_CLIENT"),
    ],
)
def test_what_only_a_person_can_mend_is_not_authorized_with_a_next_step(status: int, code: str) -> None:
    found = error_of(status, code)
    assert type(found) is NotAuthorized
    assert found.next_step


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "ERROR_METHOD_NOT_FOUND"),
        (400, "ERROR_ARGUMENT"),
        (403, "WRONG_AUTH_TYPE"),
        (403, "ACCESS_DENIED"),
        (401, "ACCESS_DENIED"),
        (401, "insufficient_scope"),
        (403, "insufficient_scope"),
        (401, "INVALID_CREDENTIALS"),
        (400, "INVALID_REQUEST"),
        (400, "WRONG_CHAT"),
        (400, "ERROR_CORE"),
        (500, "INTERNAL_SERVER_ERROR"),
        (500, "ERROR_UNEXPECTED_ANSWER"),
        (200, "ERROR_BATCH_METHOD_NOT_ALLOWED"),
    ],
)
def test_a_refusal_carries_method_code_description_and_status(status: int, code: str) -> None:
    found = error_of(status, code)
    assert type(found) is CallRefused
    assert (found.method, found.code, found.description, found.status) == ("imbot.register", code, "why", status)


@pytest.mark.parametrize(
    ("status", "code"), [(503, "QUERY_LIMIT_EXCEEDED"), (503, "OVERLOAD_LIMIT"), (429, "TOO_MANY_REQUESTS"), (502, "X")]
)
def test_limits_and_server_trouble_pass_and_honour_retry_after(status: int, code: str) -> None:
    found = error_of(status, code, retry_after_s=17.0)
    assert type(found) is PortalUnavailable
    assert (found.retry_after_s, found.blocked_method) == (17.0, None)
    assert found.busy == (code in ("QUERY_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"))
    assert LIMIT_PAUSE_S > 0


def test_a_blocked_method_says_which_and_until_when() -> None:
    body = {"error": "OPERATION_TIME_LIMIT", "error_description": "", "time": {"operating_reset_at": NOW + 90}}
    found = outcome(429, body)
    assert type(found) is PortalUnavailable
    assert (found.retry_after_s, found.blocked_method) == (90.0, "imbot.register")


@pytest.mark.parametrize("time", [None, [], {}, {"operating_reset_at": "soon"}, {"operating_reset_at": NOW - 50}, 5])
def test_a_blocked_method_without_a_future_time_waits_some_seconds(time: Any) -> None:
    found = outcome(429, {"error": "OPERATION_TIME_LIMIT", "time": time})
    assert type(found) is PortalUnavailable and 1.0 <= (found.retry_after_s or 0) <= 60.0


@pytest.mark.parametrize(
    ("status", "body"), [(200, None), (404, None), (502, None), (503, None), (200, []), (200, {}), (200, {"x": 1})]
)
def test_pages_that_are_no_answer_mean_that_the_portal_is_unavailable(status: int, body: Any) -> None:
    assert type(outcome(status, body)) is PortalUnavailable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_reported_with_its_address(status: int) -> None:
    found = outcome(status, None, location="https://acme-new.bitrix24.ru/rest/imbot.register")
    assert isinstance(found, Moved) and found.location.startswith("https://acme-new")
    assert "acme-new" not in str(found)


def test_an_error_inside_a_result_is_the_methods_own_business() -> None:
    body = {"result": {"result": False, "error": "ICON_REQUIRED"}}
    assert outcome(200, body) == {"result": False, "error": "ICON_REQUIRED"}


def test_a_long_description_is_cut() -> None:
    assert len(str(outcome(400, {"error": "X", "error_description": "y" * 10_000}))) < 500


@given(st.integers(100, 599), trees)
def test_any_answer_is_a_result_or_a_portal_error(status: int, body: Any) -> None:
    for shaped in (body, {"error": body}, {"error": "OPERATION_TIME_LIMIT", "time": body}, {"result": body}):
        outcome(status, shaped)


@given(trees)
def test_any_error_object_is_a_portal_error(body: Any) -> None:
    assert isinstance(failure("m", {"error": body, "error_description": body}, 0, None, NOW), PortalError)
