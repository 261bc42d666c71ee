"""Further tokens over a real instance, and what all answers share: validators, compression, limits, origins."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from python_bot.model import time_text
from python_bot.simulator import SimulatedPortal
from python_bot.web.api_tokens import ApiToken, hash_of, write_tokens
from tests.instance.tools import BEARER, adopt, client_message, error_code
from tests.support import TOKEN, Server

ORIGIN = "https://crm.example.ru"
TOKENS = {
    "reader": ApiToken("reader", "read", "2026-01-01T00:00:00Z", hash_of("reader-token")),
    "exporter": ApiToken("exporter", "export", "2026-01-01T00:00:00Z", hash_of("exporter-token")),
    "admin": ApiToken("admin", "admin", "2026-01-01T00:00:00Z", hash_of("admin-token")),
    "line 3": ApiToken("line 3", "read", "2026-01-01T00:00:00Z", hash_of("line-token"), "", 3),
    "line 4": ApiToken("line 4", "read", "2026-01-01T00:00:00Z", hash_of("other-line-token"), "", 4),
    "old": ApiToken("old", "admin", "2026-01-01T00:00:00Z", hash_of("old-token"), "2026-01-02T00:00:00Z"),
}


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """An instance with one dialog on line 3; it calls nobody."""
    with SimulatedPortal() as portal:
        server = Server(portal, env={"B24BOT_CORS_ORIGINS": ORIGIN})
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        (server.home / "tokens.json").write_bytes(write_tokens(TOKENS.values()))
        with server:
            for i in range(30):
                assert server.post_event(client_message(800_000 + i, 1800, 400)).status == 200
            yield server


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_scope_opens_what_it_names(api: Server) -> None:
    for token in ("reader-token", "exporter-token", "admin-token"):
        assert api.get("/api/dialogs", **bearer(token)).status == 200
    assert api.get("/api/admin/status", **bearer("admin-token")).status == 200
    assert error_code(api.get("/api/admin/status", **bearer("reader-token"))) == (403, "token_reads_only")
    assert error_code(api.get("/api/admin/status", **bearer("exporter-token"))) == (403, "token_exports_only")


def test_an_expired_token_is_told_so(api: Server) -> None:
    assert error_code(api.get("/api/dialogs", **bearer("old-token"))) == (401, "token_expired")


def test_a_token_of_one_line_sees_that_line_only(api: Server) -> None:
    own, other = bearer("line-token"), bearer("other-line-token")
    for path, name in (("/api/dialogs", "dialogs"), ("/api/messages", "messages"), ("/api/search?q=день", "messages")):
        path = path.replace("день", "%D0%B4%D0%B5%D0%BD%D1%8C")
        assert api.get(path, **own).json[name] != []
        assert api.get(path, **other).json[name] == []
    assert api.get("/api/dialogs/1800", **own).status == 200
    assert api.get("/api/dialogs/1800", **other).status == 404
    message_id = api.get("/api/dialogs/1800", **own).json["messages"][0]["message_id"]
    assert api.get(f"/api/dialogs/1800/messages/{message_id}/versions", **own).status == 200
    assert api.get(f"/api/dialogs/1800/messages/{message_id}/versions", **other).status == 404
    assert error_code(api.get("/api/dialogs?line_id=3", **other)) == (403, "token_one_line")
    assert error_code(api.get("/api/users", **own)) == (403, "token_one_line")


def test_the_last_use_of_a_token_is_kept(api: Server) -> None:
    api.get("/api/dialogs", **bearer("reader-token"))
    with closing(sqlite3.connect(api.home / "dialogs.db")) as database:
        (text,) = database.execute("SELECT value FROM facts WHERE name = 'token_uses'").fetchone()
    assert json.loads(text)["reader"] <= time_text(time.time())


def test_wrong_tokens_from_one_address_are_slowed_and_counted(api: Server) -> None:
    def attempt(address: str, token: str = "wrong") -> int:
        return int(api.get("/api/dialogs", X_Real_IP=address, X_Forwarded_For=address, **bearer(token)).status)

    assert [attempt("203.0.113.9") for _ in range(31)] == [401] * 30 + [429]
    assert attempt("203.0.113.9", TOKEN) == 200
    assert attempt("203.0.113.10") == 401
    metrics = api.get("/metrics", **BEARER).text
    assert 'b24bot_api_refusals_total{reason="too_many_attempts"} 1' in metrics
    assert 'b24bot_api_refusals_total{reason="token_unknown"}' in metrics


def test_an_unchanged_answer_is_not_sent_again(api: Server) -> None:
    first = api.get("/api/dialogs", **BEARER)
    again = api.get("/api/dialogs", If_None_Match=first.headers["ETag"], **BEARER)
    assert (again.status, again.text) == (304, "")
    api.post_event(client_message(810_000, 1801, 401))
    assert api.get("/api/dialogs", If_None_Match=first.headers["ETag"], **BEARER).status == 200


def test_a_long_answer_is_packed_for_those_who_take_it(api: Server) -> None:
    plain = api.get("/api/messages", **BEARER)
    packed = api.get("/api/messages", Accept_Encoding="gzip", **BEARER)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 3
    assert json.loads(gzip.decompress(packed.body)) == plain.json
    assert api.get("/api/users?limit=1", Accept_Encoding="gzip", **BEARER).headers.get("Content-Encoding") is None
    assert api.get("/api/messages", Accept_Encoding="gzip;q=0", **BEARER).headers.get("Content-Encoding") is None


def test_every_answer_tells_how_many_requests_are_left(api: Server) -> None:
    headers = api.get("/api/dialogs", **BEARER).headers
    assert int(headers["X-RateLimit-Limit"]) > int(headers["X-RateLimit-Remaining"]) > 0
    assert 0 < int(headers["X-RateLimit-Reset"]) <= 60


def test_a_script_that_runs_wild_is_held_up_and_no_other() -> None:
    with SimulatedPortal() as portal:
        server = Server(portal, env={"B24BOT_RATE_LIMIT": "5"})
        adopt(portal, server)
        (server.home / "tokens.json").write_bytes(write_tokens(TOKENS.values()))
        with server:
            answers = [server.get("/api/dialogs", **bearer("reader-token")) for _ in range(6)]
            assert [answer.status for answer in answers] == [200] * 5 + [429]
            assert error_code(answers[-1]) == (429, "too_many_requests")
            assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
            assert server.get("/api/dialogs", **BEARER).status == 200


def test_pages_of_named_origins_may_ask_and_no_others(api: Server) -> None:
    answer = api.get("/api/dialogs", Origin=ORIGIN, **BEARER)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in answer.headers["Vary"]
    foreign = api.get("/api/dialogs", Origin="https://evil.example", **BEARER)
    assert "Access-Control-Allow-Origin" not in foreign.headers
    asked = api.request("OPTIONS", "/api/dialogs", Origin=ORIGIN, Access_Control_Request_Method="GET")
    assert asked.status == 204
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    refused = api.request("OPTIONS", "/api/dialogs", Origin="https://evil.example", Access_Control_Request_Method="GET")
    assert "Access-Control-Allow-Origin" not in refused.headers
