from __future__ import annotations

import contextlib
import json
import time
from random import Random
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.php_form import MAX_DEPTH, Request, clean_tree, decode, read_request, split_key, without_secrets
from python_bot.errors import BadEvent
from tests.support.payloads import INDEX, form
from tests.unit.trees import maps

SECRET = "s3cr3tTokenThatOpensEverything"


def tree(body: str | bytes, query: bytes = b"") -> dict[str, object]:
    return read_request(body.encode() if isinstance(body, str) else body, query).tree


# --- shapes of a form


def test_bracket_keys_become_nested_dicts() -> None:
    assert tree("data[PARAMS][CHAT_ID]=1763&data[PARAMS][FILE_ID][0]=5437&event=X") == {
        "data": {"PARAMS": {"CHAT_ID": "1763", "FILE_ID": {"0": "5437"}}},
        "event": "X",
    }


def test_percent_encoded_brackets_are_brackets() -> None:
    assert tree("data%5BPARAMS%5D%5BCHAT_ID%5D=1") == {"data": {"PARAMS": {"CHAT_ID": "1"}}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", {}),
        ("&&&", {}),
        ("=x", {}),
        ("[a]=x", {}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=1&a=2", {"a": "2"}),
        ("a=1=2", {"a": "1=2"}),
        ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
        ("a[b=1", {"a[b": "1"}),
        ("a]b[=1", {"a]b[": "1"}),
        ("a[b]c=1", {"a[b]c": "1"}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=2&a=1", {"a": "1"}),
        ("data=107", {"data": "107"}),
    ],
)
def test_odd_keys_are_read_without_a_stumble(body: str, expected: object) -> None:
    assert tree(body) == expected


def test_a_list_without_indices_overwrites_no_indexed_member() -> None:
    assert set(tree("a[1]=x&a[]=y")["a"].values()) == {"x", "y"}  # type: ignore[attr-defined]  # a branch of the tree


def test_keys_keep_the_order_in_which_they_came() -> None:
    names = [f"k{i}" for i in (3, 1, 2, 10, 0)]
    assert list(tree("&".join(f"data[{n}]=1" for n in names))["data"]) == names  # type: ignore[call-overload]  # a branch of the tree


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("1%2B1", "1+1"),
        ("1+1", "1 1"),
        ("%26%3D%25", "&=%"),
        ("%F0%9F%91%8D", "👍"),
        ("%D0%94%D0", "Д\ufffd"),
        ("%ff%fe", "\ufffd\ufffd"),
        ("a%00b", "ab"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("line%0Anext", "line\nnext"),
    ],
)
def test_values_are_decoded_as_php_encoded_them(raw: str, text: str) -> None:
    assert tree(f"a={raw}") == {"a": text}


def test_raw_bytes_that_are_no_utf8_are_replaced() -> None:
    assert tree(b"a=\xff\xd0\x94&b=\x00x") == {"a": "\ufffdД", "b": "x"}


PIECES = st.sampled_from(
    [b"%D0", b"%94", b"%E2", b"%82", b"%", b"%0", b"0", b"%00", b"\x00", b"\xd0", b"\\", b"x41", b"+", "Да".encode()]
)


@given(st.lists(st.lists(PIECES, max_size=5).map(b"".join), min_size=1, max_size=6))
def test_a_value_is_read_the_same_whatever_stands_beside_it(values: list[bytes]) -> None:
    body = b"&".join(b"data[%d]=%b" % pair for pair in enumerate(values))
    assert list(read_request(body).tree["data"].values()) == [decode(value) for value in values]


def test_a_body_key_wins_over_the_same_key_of_the_query() -> None:
    assert tree("event=BODY", b"event=QUERY&only=q") == {"event": "BODY", "only": "q"}


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=6))
def test_flat_forms_read_like_the_standard_library_reads_them(fields: dict[str, str]) -> None:
    fields = {k: v for k, v in fields.items() if not set("[]\x00") & set(k)}
    fields = {k: v.replace("\x00", "") for k, v in fields.items()}
    fields = {k: v for k, v in fields.items() if len(quote_plus(k)) < 1000}
    body = "&".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in fields.items())
    assert tree(body) == dict(parse_qsl(body, keep_blank_values=True, encoding="utf-8", errors="replace"))


# --- hostile sizes


def test_thousands_of_nested_brackets_stay_one_flat_key() -> None:
    key = "a" + "[b]" * 300
    assert tree(f"{key}=1") == {key: "1"}
    assert split_key("a" + "[b]" * (MAX_DEPTH - 1))[:3] == ("a", "b", "b")
    assert tree("a" + "[" * 500_000 + "=1&event=E") == {"event": "E"}


@pytest.mark.parametrize(
    "garbage",
    [b"&", b"=", b"[", b"]", b"%", b"a[b]=1&", b"+", b"\x00", b"\xff", b"a=%41%", b"%5B%5D", b"a[][]=&"],
    ids=lambda raw: raw.decode("latin-1").encode("unicode_escape").decode(),
)
def test_four_mebibytes_of_garbage_take_bounded_time(garbage: bytes) -> None:
    body = (garbage * (4 * 1024 * 1024 // len(garbage) + 1))[: 4 * 1024 * 1024]
    started = time.process_time()
    read_request(body)
    assert time.process_time() - started < 1.5


def test_four_mebibytes_of_percent_signs_in_one_value_take_bounded_time() -> None:
    started = time.process_time()
    read_request(b"a=" + b"%" * (4 * 1024 * 1024))
    assert time.process_time() - started < 1.5


def test_deeply_nested_json_is_refused_or_cut_but_never_crashes() -> None:
    with pytest.raises(BadEvent):
        read_request(b'{"a":' + b"[" * 200_000)
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    assert isinstance(read_request(deep).stored, bytes)


def test_a_number_of_json_with_thousands_of_digits_is_refused() -> None:
    with pytest.raises(BadEvent):
        read_request(b'{"a":' + b"9" * 10_000 + b"}")


@pytest.mark.parametrize("body", [b"{", b"{]", b"{'a':1}", b"{}x", b'{"a":1', b" {\xff"])
def test_json_that_is_none_is_a_bad_event(body: bytes) -> None:
    with pytest.raises(BadEvent):
        read_request(body)


def test_lone_surrogates_and_nul_of_json_become_storable_text() -> None:
    found = read_request(b'{"event":"E","t":"\\ud83d x \\u0000","\\udc00k":["\\udfff"]}').tree
    assert found == {"event": "E", "t": "\ufffd x ", "\ufffdk": ["\ufffd"]}
    json.dumps(found, ensure_ascii=False).encode()


def test_the_stored_form_of_a_json_body_is_json_again() -> None:
    request = read_request(b'{"event":"E","data":{"n":1e999,"m":NaN}}')
    json.loads(request.stored, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused_as_a_bad_event(body: bytes, query: bytes) -> None:
    for raw in (body, b"{" + body):
        with contextlib.suppress(BadEvent):
            assert isinstance(read_request(raw, query), Request)


@given(maps)
def test_json_of_genuine_keys_in_any_structure_is_read(value: dict[str, object]) -> None:
    request = read_request(json.dumps(value).encode())
    request.stored.decode()
    json.dumps(request.tree, ensure_ascii=False).encode()


# --- what is stored


CREDENTIALS = ["access_token", "refresh_token", "application_token", "client_secret"]
FORM_POSITIONS = [
    *(f"auth[{name}]" for name in CREDENTIALS),
    *(f"auth[{name.upper()}]" for name in CREDENTIALS),
    *(f"AUTH[{name}]" for name in CREDENTIALS),
    *(f"data[BOT][597][{name}]" for name in CREDENTIALS),
    *(f"data[BOT][597][AUTH][{name}]" for name in CREDENTIALS),
    *(f"data[COMMAND][14][{name}]" for name in CREDENTIALS),
    *(f"data[COMMAND][14][AUTH][{name}]" for name in CREDENTIALS),
    *(f"data[bot][auth][{name}]" for name in CREDENTIALS),
    *(f"data[BOT][0][AUTH][deeper][{name}]" for name in CREDENTIALS),
    *CREDENTIALS,
    "AUTH_ID",
    "REFRESH_ID",
    "APPLICATION_TOKEN",
    "APP_SID",
    "auth",
    "auth[]",
    "auth[anything]",
    "data[BOT][597][anything]",
    "code",
    "token",
    "secret",
    "state",
]


@pytest.mark.parametrize("position", FORM_POSITIONS)
@pytest.mark.parametrize("place", ["body", "query", "encoded", "json"])
def test_a_secret_is_in_the_tree_at_most_and_never_in_what_is_stored(position: str, place: str) -> None:
    pair = f"{position}={SECRET}"
    if place == "encoded":
        pair = f"{quote(position, safe='')}={SECRET}"
    other = f"event=ONIMBOTMESSAGEADD&ts=1&{'' if place == 'query' else pair}&data[PARAMS][MESSAGE_ID]=1"
    query = pair.encode() if place == "query" else b""
    body = json.dumps(read_request(other.encode()).tree).encode() if place == "json" else other.encode()
    request = read_request(body, query)
    assert SECRET.encode() not in request.stored
    assert b"ONIMBOTMESSAGEADD" in request.stored


@pytest.mark.parametrize("position", ["access_token[]", "auth[access_token", "data[x][refresh_token][0]", "AUTH_ID[0]"])
def test_a_secret_under_a_mangled_key_is_not_stored_either(position: str) -> None:
    assert SECRET.encode() not in read_request(f"event=E&{position}={SECRET}".encode()).stored


@pytest.mark.parametrize(
    "data",
    [
        {"auth": [SECRET]},
        {"access_token": [SECRET]},
        {"access_token": {"0": SECRET}},
        {"data": [[{"access_token": SECRET}]]},
        {"data": {"BOT": [{"AUTH": {"access_token": SECRET}}]}},
        {"data": {"BOT": [SECRET]}},
    ],
)
def test_a_secret_in_a_list_of_json_is_not_stored_either(data: dict[str, object]) -> None:
    assert SECRET not in json.dumps(without_secrets(clean_tree(data)))


@given(st.lists(st.sampled_from(FORM_POSITIONS), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_secrets_anywhere_among_the_keys_of_a_real_event_are_not_stored(positions: list[str], random: Random) -> None:
    pairs = form("onimbotmessageadd__client_text").decode().split("&")
    for position in positions:
        pairs.insert(random.randrange(len(pairs) + 1), f"{position}={SECRET}")
    assert SECRET.encode() not in read_request("&".join(pairs).encode()).stored


@pytest.mark.parametrize("row", INDEX, ids=lambda row: row["file"])
def test_no_recorded_request_leaves_a_token_in_what_is_stored(row: dict[str, str]) -> None:
    body, query = form(row["file"]), row["path"].partition("?")[2].encode()
    request = read_request(body, query)
    names = ("_token", "AUTH_ID", "REFRESH_ID", "APP_SID")
    pairs = parse_qsl((body + b"&" + query).decode(), keep_blank_values=True)
    secrets = {value for key, value in pairs if value and any(name in key for name in names)}
    assert not [secret for secret in secrets if secret.encode() in request.stored]


def test_what_was_said_is_in_what_is_stored_word_for_word() -> None:
    body = form("onimbotmessageadd__client_text")
    kept = [pair for pair in body.split(b"&") if pair.startswith((b"data%5BPARAMS%5D", b"data%5BUSER%5D", b"ts="))]
    stored = read_request(body).stored.split(b"&")
    assert [pair for pair in stored if pair in kept] == kept


# --- the fingerprint


@pytest.mark.parametrize("name", [row["file"] for row in INDEX if row["file"].startswith("on")])
def test_two_deliveries_with_other_tokens_and_handler_have_one_fingerprint(name: str) -> None:
    first = form(name)
    second = first.replace(b"a7d0690000071b00", b"b8e0690000071b11")
    second = second.replace(b"event_handler_id=", b"event_handler_id=9")
    second = second.replace(b"c0ffee11aa22bb33cc44dd55ee66ff77", b"c0ffee11aa22bb33cc44dd55ee66ff00")
    second = second.replace(b"expires_in%5D=3600", b"expires_in%5D=3599").replace(b"1785315600", b"1785315601")
    assert second != first
    assert read_request(first).fingerprint == read_request(second).fingerprint


@given(st.data())
def test_any_other_change_of_a_value_changes_the_fingerprint(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([row["file"] for row in INDEX if row["file"].startswith("on")]))
    pairs = form(name).decode().split("&")
    ours = [
        i
        for i, pair in enumerate(pairs)
        if pair.startswith(("data%5BPARAMS%5D", "data%5BUSER%5D", "data%5BDATA%5D", "data%5BMESSAGES%5D", "data="))
        or pair.startswith(("data%5Bmessage%5D", "data%5Bchat%5D", "ts=", "event=", "auth%5Bmember_id%5D"))
        or "BOT_ID" in pair
    ]
    i = data.draw(st.sampled_from(ours))
    changed = "&".join([*pairs[:i], pairs[i] + "7", *pairs[i + 1 :]])
    assert read_request(changed.encode()).fingerprint != read_request("&".join(pairs).encode()).fingerprint


def test_the_fingerprint_of_a_json_body_ignores_tokens_but_not_facts() -> None:
    def fingerprint(token: str, handler: int, text: str) -> bytes:
        auth = {"access_token": token, "member_id": "m"}
        body = {"event": "E", "event_handler_id": handler, "data": {"PARAMS": {"MESSAGE": text}}, "auth": auth}
        return read_request(json.dumps(body).encode()).fingerprint

    assert fingerprint("a", 1, "x") == fingerprint("b", 2, "x")
    assert fingerprint("a", 1, "x") != fingerprint("a", 1, "y")


@given(maps)
def test_without_secrets_keeps_no_credential_key_with_a_scalar(value: dict[str, object]) -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, item in node.items():
                assert key.lower() not in CREDENTIALS or isinstance(item, dict | list)
                walk(item)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(without_secrets(clean_tree(value)))
