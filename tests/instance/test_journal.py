"""The HTTP journal of a real instance: every request is in it, none with a token."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from python_bot.simulator import SimulatedPortal, Upload
from tests.instance.tools import (
    BEARER,
    altered,
    at_work,
    client_message,
    log_text,
    wait_idle,
)
from tests.support import TOKEN, Server, until
from tests.support.payloads import APPLICATION_TOKEN
from tests.support.server import CLIENT_SECRET

Row = dict[str, Any]


def rows(server: Server, where: str = "TRUE", *values: object) -> list[Row]:
    with closing(sqlite3.connect(server.home / "dialogs.db", timeout=30)) as db:
        db.row_factory = sqlite3.Row
        query = (
            "SELECT j.*, a.text AS agent, q.text AS asked, r.text AS told FROM http_journal j"
            " LEFT JOIN http_texts a ON a.id = user_agent LEFT JOIN http_texts q ON q.id = request_shape"
            f" LEFT JOIN http_texts r ON r.id = answer_shape WHERE {where} ORDER BY j.id"
        )
        return [dict(row) for row in db.execute(query, values)]


def awaited(server: Server, where: str, *values: object) -> Row:
    until(lambda: rows(server, where, *values), what=f"the journal has {where}")
    return rows(server, where, *values)[-1]


Scene = tuple[SimulatedPortal, Server]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with at_work() as found:
        yield found


def test_one_trace_leads_from_an_event_to_the_calls_it_led_to(scene: Scene) -> None:
    portal, server = scene
    chat_id = portal.client("Анна").writes("Добрый день!").chat_id
    call = awaited(server, "job = 'handover' AND chat_id = ?", chat_id)
    event = awaited(server, "trace_id = ? AND direction = 'in'", call["trace_id"])
    assert (event["kind"], event["status"], event["chat_id"]) == ("event", 200, chat_id)
    assert event["subject"] in ("ONIMBOTMESSAGEADD", "ONIMBOTJOINCHAT")
    assert (event["authorization"], event["outcome"]) == ("application_token", "ok")
    assert "auth{" in event["asked"] and "event" in event["asked"]
    assert (call["kind"], call["path"]) == ("rest", "/rest/imopenlines.bot.session.operator")
    assert (call["status"], call["outcome"], call["portal"]) == (200, "ok", portal.host)
    assert call["asked"] == "CHAT_ID,auth"
    assert call["told"].startswith("result") and call["duration_ms"] >= 0


def test_the_trace_that_the_proxy_gave_is_kept(scene: Scene) -> None:
    _, server = scene
    server.request("POST", "/python_bot/", client_message(1, 1700, 300), X_Request_Id="trace-of-nginx-1")
    call = awaited(server, "trace_id = 'trace-of-nginx-1' AND direction = 'out'")
    assert (call["job"], call["chat_id"], call["error_code"]) == ("handover", 1700, "WRONG_CHAT")


def test_the_reason_of_every_refusal_is_told(scene: Scene) -> None:
    _, server = scene

    def refused(path: str, authorization: str, outcome: str, **headers: str) -> None:
        before = max((row["id"] for row in rows(server)), default=0)
        assert server.get(path, **headers).status in (401, 403)
        plain = path.partition("?")[0]
        found = awaited(server, "j.id > ? AND path = ?", before, plain)
        assert (found["authorization"], found["outcome"]) == (authorization, outcome)

    refused("/api/dialogs", "none", "missing")
    refused("/api/dialogs", "bearer", "unknown", Authorization="Bearer nobody")
    refused("/api/dialogs", "bearer", "malformed", Authorization="Basic bm9ib2R5")
    refused("/api/dialogs", "bearer", "malformed", Authorization="Bearer two words")
    refused("/api/dialogs", "api-token", "unknown", X_API_Token="nobody")
    refused("/api/users?token=nobody", "query-token", "unknown")


@pytest.mark.parametrize(
    ("token", "authorization", "outcome"),
    [
        ("f" * 32, "application_token", "mismatch"),
        ("", "none", "missing"),
        (APPLICATION_TOKEN, "application_token", "ok"),
    ],
)
def test_why_an_event_did_not_count_can_be_seen(scene: Scene, token: str, authorization: str, outcome: str) -> None:
    _, server = scene
    trace = f"why-{outcome}-trace"
    body = altered(client_message(7, 1707, 307), {"auth[application_token]": token})
    server.request("POST", "/python_bot/", body, X_Request_Id=trace)
    found = awaited(server, "trace_id = ? AND direction = 'in'", trace)
    assert (found["kind"], found["authorization"], found["outcome"]) == ("event", authorization, outcome)


def test_other_requests_have_their_kind(scene: Scene) -> None:
    _, server = scene
    server.get("/wp-login.php", X_Request_Id="kind-other", User_Agent="Scanner 1", Sec_Fetch_Mode="navigate")
    server.get("/python_bot/", X_Request_Id="kind-page", Sec_Fetch_Dest="iframe")
    server.get("/python_bot/?code=abcdef&domain=x", X_Request_Id="kind-oauth")
    server.request("POST", "/python_bot/", b"nonsense", X_Request_Id="kind-ignored")
    server.request("POST", "/python_bot/", b"AUTH_ID=x&DOMAIN=y", X_Request_Id="kind-opened")
    server.post_event(client_message(2, 1702, 302))
    server.get("/api/dialogs/1702?limit=5", X_Request_Id="kind-api-reader", **BEARER)
    server.get("/api/admin/status", X_Request_Id="kind-admin", **BEARER)
    found = awaited(server, "trace_id = 'kind-other'")
    assert (found["kind"], found["status"], found["agent"], found["fetch_mode"]) == (
        "other",
        404,
        "Scanner 1",
        "navigate",
    )
    assert found["error_code"] == "not_found"
    assert awaited(server, "trace_id = 'kind-page'")["fetch_dest"] == "iframe"
    assert awaited(server, "trace_id = 'kind-oauth'")["kind"] == "oauth"
    assert awaited(server, "trace_id = 'kind-oauth'")["path"] == "/python_bot/"
    assert awaited(server, "trace_id = 'kind-ignored'")["kind"] == "ignored"
    assert awaited(server, "trace_id = 'kind-opened'")["authorization"] == "auth_id"
    reader = awaited(server, "trace_id = 'kind-api-reader'")
    assert (reader["kind"], reader["chat_id"], reader["asked"]) == ("api", 1702, "?limit")
    assert "dialog{chat_id,client{id,name}" in reader["told"]
    assert awaited(server, "trace_id = 'kind-admin'")["kind"] == "admin"


def test_a_number_that_nothing_can_have_is_an_entry_like_any_other(scene: Scene) -> None:
    _, server = scene
    server.get(f"/api/dialogs/{'9' * 30}", X_Request_Id="kind-no-number")
    assert awaited(server, "trace_id = 'kind-no-number'")["status"] == 401


def test_monitoring_is_summed_up(scene: Scene) -> None:
    _, server = scene
    for _ in range(30):
        server.get("/healthz")
    server.get("/api/stats", X_Request_Id="after-healthz")
    awaited(server, "trace_id = 'after-healthz'")
    assert len(rows(server, "path = '/healthz'")) == 1


def test_a_portal_that_is_away_is_an_entry_without_status(scene: Scene) -> None:
    portal, server = scene
    portal.faults.down = True
    try:
        server.request("POST", "/python_bot/", client_message(20, 1720, 320), X_Request_Id="portal-away")
        found = awaited(server, "trace_id = 'portal-away' AND direction = 'out'")
        assert found["status"] is None and found["error_code"]
    finally:
        portal.faults.down = False
    wait_idle(server, 40)


def test_a_batch_has_the_methods_inside_and_every_trace(scene: Scene) -> None:
    portal, server = scene
    portal.faults.down = True
    try:
        for number in range(3):
            body = client_message(30 + number, 1730 + number, 330 + number)
            server.request("POST", "/python_bot/", body, X_Request_Id=f"batched-{number}")
        awaited(server, "direction = 'out' AND status IS NULL AND trace_id IN ('', 'batched-0')")
    finally:
        portal.faults.down = False
    wait_idle(server, 40)
    batch = awaited(server, "path = '/rest/batch' AND status = 200 AND job = 'handover'")
    assert batch["subject"].startswith("imopenlines.bot.session.operator ×")
    causes = server.sql(f"SELECT trace_id, chat_id FROM http_journal_causes WHERE entry_id = {batch['id']}")
    assert len(causes) > 1 and {trace.rpartition("-")[0] for trace, _ in causes} == {"batched"}


def test_refreshed_tokens_and_downloads_are_calls_too() -> None:
    with at_work(env={"B24BOT_FILES": "download"}) as (portal, server):
        client = portal.client("Анна")
        client.writes("Смотрите", files=[Upload("скан Анны Ивановой.txt", b"text")])
        found = awaited(server, "kind = 'download'")
        assert found["status"] == 200 and found["portal"] == portal.host
        assert "скан" not in found["path"] and found["path"].endswith("/…")
        portal.core.tokens.expire_access()
        portal.client("Борис").writes("Здравствуйте")
        found = awaited(server, "kind = 'token'")
        assert (found["method"], found["path"], found["status"]) == ("GET", "/oauth/token/", 200)
        assert found["asked"] == "client_id,client_secret,grant_type,refresh_token"


def test_a_journal_of_no_days_is_empty() -> None:
    with at_work(env={"B24BOT_JOURNAL_DAYS": "0"}) as (portal, server):
        portal.client("Анна").writes("Добрый день!")
        wait_idle(server)
    assert server.process is not None and server.process.poll() is not None


# --- tokens


def planted(number: int) -> str:
    return f"5ecre7{number:04d}" + "ab0de1f2" * 7


def test_no_token_gets_in_whatever_place_it_stands_in() -> None:
    with at_work(env={"B24BOT_LOG_LEVEL": "DEBUG"}) as (portal, server):
        known = [TOKEN, CLIENT_SECRET, APPLICATION_TOKEN]
        strange = [planted(number) for number in range(4)] + ["Zq9xK3mP7vT1wY5b"]
        for token in known + strange:
            quoted = quote(token)
            for path in (
                f"/{quoted}",
                f"/python_bot/{quoted}",
                f"/api/dialogs/{quoted}",
                f"/api/dialogs?token={quoted}&{quoted}=1",
                f"/python_bot/?code={quoted}&state={quoted}&{quoted}=x",
            ):
                server.get(path, User_Agent=f"agent {token}", Sec_Fetch_Mode=token, Sec_Fetch_Dest=token)
            server.get(
                "/api/users", Authorization=f"Bearer {token}x", **({"X_Request_Id": token} if token in known else {})
            )
            server.get("/api/users", Authorization=f"Basic {token}")
            server.get("/api/users", X_API_Token=f"x{token}", Referer=token, Cookie=token)
            server.request("POST", "/api/admin/enable", f'{{"{token}": ["{token}"]}}'.encode())
            form = f"{quoted}=1&a[{quoted}]={quoted}&event=ON{quoted}&auth[{quoted}]=1&auth[domain]={quoted}"
            server.post_event(f"{form}&auth[application_token]={quoted}x".encode())
            server.post_event(f"AUTH_ID={quoted}&DOMAIN={quoted}&{quoted}={quoted}".encode())
            tree = {
                "event": token,
                token: {token: [token]},
                "auth": {"application_token": token + "x", "domain": token},
            }
            server.post_event(json.dumps(tree).encode())
            server.get(f"/channel-files/{quoted}.{quoted}")
            for path in (f"/api/webhooks/avito/messages/1/{quoted}", f"/b24/handler?secret={quoted}", "/tg/webhook"):
                body = json.dumps(tree).encode()
                server.request("POST", path, body, X_Telegram_Bot_Api_Secret_Token=token)
            more = {"auth[" + token + "]": token, f"auth[x][{token}]": token}
            server.post_event(altered(client_message(100, 1800, 400), more))
        # The portal repeats our own tokens in its errors.
        own = [*portal.core.tokens.access, *portal.core.tokens.refresh]
        said = " ".join(f"Token {token} is not welcome" for token in own)
        portal.faults.fail("imopenlines.bot.session.operator", own[0], 400, description=said)
        server.request("POST", "/python_bot/", client_message(200, 1900, 500), X_Request_Id="last-of-all")
        awaited(server, "trace_id = 'last-of-all' AND direction = 'out'")
        server.stop()
        found = rows(server)
        everything = json.dumps(found, ensure_ascii=False).encode()
        files = {
            path.name: path.read_bytes()
            for path in server.home.iterdir()
            if path.is_file() and not path.name.startswith("auth.")
        }
        assert len(found) > 60 and {row["kind"] for row in found} >= {"event", "opened", "api", "rest", "other"}
        for token in known + strange[:4] + own:
            assert token.encode() not in everything
            for name, content in files.items():
                at = content.find(token.encode())
                assert at < 0, (name, token, content[max(0, at - 200) : at + 100])
        assert strange[4].encode() not in everything
        assert "***" in {row["agent"].rpartition(" ")[2] for row in found if (row["agent"] or "").startswith("agent ")}
        assert TOKEN not in log_text(server)
