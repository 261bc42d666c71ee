from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.client import BATCH_LIMIT, BitrixClient, Command, php_query
from python_bot.bitrix.pace import Pace
from python_bot.bitrix.php_form import read_request
from python_bot.bitrix.tokens import Installation
from python_bot.bitrix.transport import Answer, TokenExpired
from python_bot.errors import CallRefused, NotAuthorized, PortalError, PortalUnavailable


class Wire:
    """Answers in a row, in place of a portal; keeps what was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.sent = list(answers), list[tuple[str, dict[str, Any]]]()

    def post(self, url: str, payload: dict[str, Any]) -> Answer:
        json.dumps(payload)
        self.sent.append((url, payload))
        return self.answers.pop(0)


class Tokens:
    def __init__(self) -> None:
        self.refreshed, self.moved_to = 0, ""

    def current(self) -> Installation:
        return Installation(f"token-{self.refreshed}", "refresh", 0, "https://acme.bitrix24.ru/rest/", "https://o")

    def refresh(self, stale: Installation) -> Installation:
        self.refreshed += 1
        return self.current()

    def moved(self, stale: Installation, location: str) -> Installation:
        self.moved_to = location
        return Installation("token-m", "refresh", 0, "https://new.bitrix24.ru/rest/", "https://o")


def ok(result: Any) -> Answer:
    return Answer(200, None, "", {"result": result, "time": {}})


def bad(status: int, code: str) -> Answer:
    return Answer(status, None, "", {"error": code, "error_description": "why"})


Make = Callable[..., tuple[BitrixClient, Wire, Tokens]]


@pytest.fixture
def make() -> Make:
    def build(*answers: Answer, pace: Pace | None = None) -> tuple[BitrixClient, Wire, Tokens]:
        wire, tokens = Wire(*answers), Tokens()
        client = BitrixClient(wire, tokens, pace or Pace(), now=lambda: 1000.0)  # type: ignore[arg-type]  # stand-ins for network and tokens
        return client, wire, tokens

    return build


# --- one call


def test_a_call_goes_to_the_stored_portal_with_the_stored_token(make: Make) -> None:
    client, wire, _ = make(ok(597))
    assert client.call("imbot.register", {"CODE": "x"}) == 597
    assert wire.sent == [("https://acme.bitrix24.ru/rest/imbot.register", {"CODE": "x", "auth": "token-0"})]


def test_an_expired_token_is_refreshed_once_and_the_call_repeated(make: Make) -> None:
    client, wire, tokens = make(bad(401, "expired_token"), ok(True))
    assert client.call("profile") is True
    assert tokens.refreshed == 1
    assert [payload["auth"] for _, payload in wire.sent] == ["token-0", "token-1"]


def test_a_fresh_token_that_is_refused_too_means_unavailable(make: Make) -> None:
    client, wire, tokens = make(bad(401, "expired_token"), bad(401, "expired_token"))
    with pytest.raises(PortalUnavailable):
        client.call("profile")
    assert (tokens.refreshed, len(wire.sent)) == (1, 2)


def test_a_renamed_portal_is_called_at_its_new_place(make: Make) -> None:
    client, wire, tokens = make(Answer(302, None, "https://new.bitrix24.ru/rest/profile", None), ok(1))
    assert client.call("profile") == 1
    assert tokens.moved_to == "https://new.bitrix24.ru/rest/profile"
    assert wire.sent[1][0] == "https://new.bitrix24.ru/rest/profile"


def test_two_redirects_in_a_row_mean_unavailable(make: Make) -> None:
    there = Answer(302, None, "https://new.bitrix24.ru/rest/profile", None)
    client, _, _ = make(there, there)
    with pytest.raises(PortalUnavailable):
        client.call("profile")


def test_too_many_requests_close_the_pace_for_everyone(make: Make) -> None:
    pace = Pace(clock=lambda: 0.0)
    client, _, _ = make(bad(503, "QUERY_LIMIT_EXCEEDED"), pace=pace)
    with pytest.raises(PortalUnavailable):
        client.call("profile")
    assert pace.wait_s(urgent=True) > 0.0


def test_a_stopped_pace_ends_the_call_without_a_request(make: Make) -> None:
    pace = Pace()
    pace.stop()
    client, wire, _ = make(pace=pace)
    with pytest.raises(PortalUnavailable):
        client.call("profile")
    assert wire.sent == []


def test_every_request_is_observed_with_its_outcome() -> None:
    seen: list[tuple[str, str]] = []
    wire = Wire(ok(1), bad(400, "WRONG_CHAT"), bad(401, "expired_token"), ok(2))
    client = BitrixClient(wire, Tokens(), Pace(), observe=lambda m, o, s: seen.append((m, o)))  # type: ignore[arg-type]  # stand-ins for network and tokens
    client.call("a")
    with pytest.raises(CallRefused):
        client.call("b")
    client.call("c")
    assert seen == [("a", "ok"), ("b", "WRONG_CHAT"), ("c", "TokenExpired"), ("c", "ok")]


# --- batches


def inner(result: Any = None, errors: Any = None) -> Answer:
    return ok({"result": result, "result_error": errors, "result_total": [], "result_next": [], "result_time": []})


TWO = [Command("im.user.get", {"ID": 744}), Command("imopenlines.bot.session.operator", {"CHAT_ID": 5})]


def test_a_batch_gives_each_command_its_own_outcome(make: Make) -> None:
    errors = {"c1": {"error": "WRONG_CHAT", "error_description": "Operator is not a bot"}}
    client, wire, _ = make(inner({"c0": {"id": 744}}, errors))
    first, second = client.batch(TWO)
    assert first == {"id": 744}
    assert isinstance(second, CallRefused) and second.code == "WRONG_CHAT" and second.method == TWO[1].method
    assert wire.sent[0][1]["cmd"] == {"c0": "im.user.get?ID=744", "c1": "imopenlines.bot.session.operator?CHAT_ID=5"}
    assert wire.sent[0][1]["halt"] == 0


@pytest.mark.parametrize("empty", [[], {}, None])
def test_empty_members_of_a_batch_are_lists_maps_or_absent(make: Make, empty: Any) -> None:
    client, _, _ = make(inner({"c0": 1, "c1": False}, empty), inner(empty, {"c0": {"error": "A"}, "c1": "B"}))
    assert client.batch(TWO) == [1, False]
    assert [getattr(error, "code", "") for error in client.batch(TWO)] == ["A", "B"]


@pytest.mark.parametrize("answer", [[], {}, None, "x", {"result": "x", "result_error": 5}, {"result": {}}])
def test_a_command_without_an_answer_is_tried_again_later(make: Make, answer: Any) -> None:
    client, _, _ = make(ok(answer))
    assert [type(found) for found in client.batch(TWO)] == [PortalUnavailable, PortalUnavailable]


def test_an_inner_result_of_null_or_false_is_a_result(make: Make) -> None:
    client, _, _ = make(inner({"c0": None, "c1": False}, []))
    assert client.batch(TWO) == [None, False]


@pytest.mark.parametrize("code", ["expired_token", "invalid_token", "NO_AUTH_FOUND"])
def test_a_token_that_expires_within_a_batch_leaves_an_outcome_that_the_outbox_retries(make: Make, code: str) -> None:
    client, _, _ = make(inner({"c0": 1}, {"c1": {"error": code, "error_description": ""}}))
    _, second = client.batch(TWO)
    assert isinstance(second, PortalUnavailable | NotAuthorized | CallRefused)
    assert not isinstance(second, TokenExpired)


def test_a_blocked_method_within_a_batch_blocks_itself_alone(make: Make) -> None:
    client, _, _ = make(inner({"c0": 1}, {"c1": {"error": "OPERATION_TIME_LIMIT"}}))
    first, second = client.batch(TWO)
    assert first == 1
    assert isinstance(second, PortalUnavailable) and second.blocked_method == TWO[1].method


def test_a_batch_that_fails_as_a_whole_raises(make: Make) -> None:
    client, _, _ = make(bad(503, "OVERLOAD_LIMIT"))
    with pytest.raises(PortalUnavailable):
        client.batch(TWO)


def test_fifty_commands_fit_and_fifty_one_do_not(make: Make) -> None:
    client, wire, _ = make(inner({f"c{i}": i for i in range(BATCH_LIMIT)}, []))
    assert client.batch([Command("profile")] * BATCH_LIMIT) == list(range(50))
    with pytest.raises(ValueError, match="50"):
        client.batch([Command("profile")] * (BATCH_LIMIT + 1))
    assert len(wire.sent) == 1


def test_an_empty_batch_has_no_outcomes(make: Make) -> None:
    client, _, _ = make(inner([], []))
    assert client.batch([]) == []


# --- php_query


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, ""),
        ({"A": 1}, "A=1"),
        ({"PARAMS": {"A": 1}}, "PARAMS%5BA%5D=1"),
        ({"L": ["x", "y"]}, "L%5B0%5D=x&L%5B1%5D=y"),
        ({"A": True, "B": False}, "A=1&B=0"),
        ({"A": None, "B": [], "C": {}, "D": ""}, "D="),
        ({"A": {"B": {"C": [{"D": "e f"}]}}}, "A%5BB%5D%5BC%5D%5B0%5D%5BD%5D=e%20f"),
        ({"T": "1+1 & 2=3 ?#👍\n"}, "T=1%2B1%20%26%202%3D3%20%3F%23%F0%9F%91%8D%0A"),
    ],
)
def test_parameters_are_written_as_php_writes_them(params: dict[str, Any], query: str) -> None:
    assert php_query(params) == query


names = st.text(alphabet="ABC_xyz09Я", min_size=1, max_size=4)
leaves = st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])) | st.integers()
nested = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8)


@given(st.dictionaries(names, nested, max_size=4))
def test_our_own_reader_of_forms_reads_back_what_was_written(params: dict[str, Any]) -> None:
    def texts(value: Any) -> Any:
        return {k: texts(v) for k, v in value.items()} if isinstance(value, dict) else str(value)

    query = php_query(params)
    if all(len(pair.partition("=")[0]) <= 1000 for pair in query.split("&")):
        assert read_request(b"", query.encode()).tree == texts(params)


@given(st.dictionaries(names, leaves, max_size=5))
def test_flat_parameters_read_like_the_standard_library_reads_them(params: dict[str, Any]) -> None:
    assert dict(parse_qsl(php_query(params), keep_blank_values=True)) == {k: str(v) for k, v in params.items()}


def test_the_outcomes_of_a_batch_are_portal_errors_or_results(make: Make) -> None:
    client, _, _ = make(inner({"c0": 1}, {"c1": {"error": "PORTAL_DELETED"}}))
    assert isinstance(client.batch(TWO)[1], PortalError)
