"""Shapes of bodies, and texts without secrets."""

from __future__ import annotations

import json
import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.traffic import shape
from python_bot.traffic.masks import MASK, Masks, without_random_words
from tests.support import form, vector
from tests.support.payloads import INDEX


def test_a_form_is_shown_by_its_sorted_keys() -> None:
    body = (
        b"ts=1&data%5BPARAMS%5D%5BCHAT_ID%5D=1763&data[BOT][597][BOT_ID]=597&event=X&auth[domain]=d&list[]=a&list[]=b"
    )
    assert shape.of_form(body) == "auth{domain},data{BOT{#{BOT_ID}},PARAMS{CHAT_ID}},event,list{#},ts"


def test_json_is_shown_by_its_sorted_keys_and_lists() -> None:
    value = {"result": [{"ID": 1, "TITLE": "x"}, {"ID": 2, "sub": {"a": 1}}], "total": 2, "time": {"start": 1.0}}
    assert shape.of_value(value) == "result[]{ID,TITLE,sub{a}},time{start},total"
    assert shape.of_json(json.dumps(value).encode()) == shape.of_value(value)
    assert shape.of_value([[1], [2]]) == "[][]"
    assert shape.of_value("text") == shape.of_value({}) == shape.of_json(b"{broken") == ""


def test_a_query_is_shown_by_its_names() -> None:
    assert shape.of_query(b"status=open&limit=5") == "?limit,status"
    assert shape.of_query(b"") == ""


def test_the_commands_of_a_batch_are_one_shape() -> None:
    cmd = {f"c{i}": "im.user.get" for i in range(50)}
    assert shape.of_value({"halt": 0, "cmd": cmd, "auth": "x"}) == "auth,cmd{#},halt"


@pytest.mark.parametrize("row", INDEX, ids=lambda row: row["file"])
def test_names_of_every_recorded_event_can_be_read(row: dict[str, str]) -> None:
    assert "*" not in shape.of_form(form(row["file"]).strip())


def test_values_are_never_in_a_shape() -> None:
    text = shape.of_form(vector("V4"))
    assert "c0ffee" not in text and "1763" not in text and "telegrambot" not in text


TOKENS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=70),
    st.integers(0, 2**63).map(lambda seed: f"5ecre7{seed:024x}"),
    st.builds(secrets.token_urlsafe, st.integers(24, 48)),
)


@given(TOKENS)
def test_a_key_that_is_a_token_is_not_shown(token: str) -> None:
    for found in (
        shape.of_form(f"{token}=1&data[{token}][x]=2".encode()),
        shape.of_value({"a": {token: {token: 1}}}),
        shape.of_query(f"{token}=1".encode()),
    ):
        assert token not in found


def test_random_words_of_sixteen_characters_hardly_ever_pass_as_a_name() -> None:
    alphabet = string.ascii_letters + string.digits
    words = ["".join(secrets.choice(alphabet) for _ in range(16)) for _ in range(2000)]
    assert sum(shape.name(word) != "*" for word in words) <= 10


@given(st.binary(max_size=300))
def test_any_bytes_have_a_shape(body: bytes) -> None:
    assert len(shape.of_body(body)) <= shape.MAX_TEXT


@given(TOKENS)
def test_long_random_words_are_masked(token: str) -> None:
    if any(char.isdigit() for char in token):
        assert token not in without_random_words(f"The token {token} is not welcome")
        assert token not in without_random_words(f"/api/{token}/x?y={token}")


def test_ordinary_texts_stay_as_they_are() -> None:
    for text in (
        "/rest/imopenlines.bot.session.operator",
        "/api/dialogs/1763/messages/85833/versions",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
        "ERROR_METHOD_NOT_FOUND",
        "CONFIG_WRONG_USER_PERMISSION",
        "Access denied! Application context required",
        "Bitrix24 Webhook Engine",
    ):
        assert without_random_words(text) == text


def test_known_secrets_are_masked_wherever_they_stand_and_however_plain_they_are() -> None:
    masks = Masks(lambda: ("plainwords", "", "x"))
    assert masks.text("GET /plainwords/plainwordsplainwords", 100) == f"GET /{MASK}/{MASK}{MASK}"
    assert masks.text("x y", 100) == "x y"
    assert masks.is_secret("plainwords") and not masks.is_secret("other")


def test_a_secret_that_the_limit_would_cut_is_masked_before() -> None:
    token = "5ecre7" + "ab0de1f2" * 8
    assert "5ecre7" not in Masks(lambda: ()).text("x" * 10 + " " + token, 20)


def test_texts_are_one_line() -> None:
    assert Masks(lambda: ()).text("a\nb\x1b[0m", 100) == "a?b?[0m"


def test_an_answer_for_people_shows_no_token() -> None:
    masks = Masks(lambda: ("known-secret-of-ours",))
    value = {
        "access_token": "short",
        "BOT": [{"APPLICATION_TOKEN": "short", "NAME": "Анна", "note": "it is known-secret-of-ours"}],
        "url": "https://acme.bitrix24.ru/disk/?auth=abcdef0123456789abcdef&x=1",
        "ID": 5,
    }
    shown = masks.value(value)
    assert shown["access_token"] == shown["BOT"][0]["APPLICATION_TOKEN"] == MASK
    assert shown["BOT"][0]["NAME"] == "Анна" and shown["ID"] == 5
    assert "known-secret" not in json.dumps(shown) and "abcdef" not in json.dumps(shown)
