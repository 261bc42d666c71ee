"""`botctl INSTANCE token`: renewing the secret token, further tokens that only read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.tools import StagedServer, botctl, create, env_of, ok, shown
from tests.support import TOKEN


def test_show_prints_the_token_and_nothing_else(tmp_path: Path) -> None:
    create(tmp_path)
    found = ok(tmp_path, "shop-1", "token", "show").strip()
    assert f"API_SECRET_TOKEN={found}\n" in env_of(tmp_path)
    assert shown(tmp_path, "shop-1", "token", "show") == {"api_secret_token": found}


def test_rotate_writes_a_new_token_and_does_not_print_it(tmp_path: Path) -> None:
    create(tmp_path)
    before = env_of(tmp_path)
    old = ok(tmp_path, "shop-1", "token", "show").strip()
    done = botctl(tmp_path, "shop-1", "token", "rotate")
    new = ok(tmp_path, "shop-1", "token", "show").strip()
    assert done.returncode == 0
    assert new != old
    assert len(new) >= 32
    assert new not in done.stdout + done.stderr
    assert env_of(tmp_path) == before.replace(old, new), "nothing else of the file changed"


def test_a_name_is_used_once_and_an_unknown_one_cannot_be_revoked(tmp_path: Path) -> None:
    create(tmp_path)
    ok(tmp_path, "shop-1", "token", "add", "отчёты")
    again = botctl(tmp_path, "shop-1", "token", "add", "отчёты")
    assert (again.returncode, "Next step:" in again.stderr) == (1, True)
    assert botctl(tmp_path, "shop-1", "token", "add", "../x").returncode == 2
    unknown = botctl(tmp_path, "shop-1", "token", "revoke", "nobody")
    assert (unknown.returncode, "Next step:" in unknown.stderr) == (1, True)
    assert botctl(tmp_path, "nobody", "token", "list").returncode == 4


def test_a_damaged_file_of_tokens_is_named_with_what_to_do(tmp_path: Path) -> None:
    create(tmp_path)
    path = tmp_path / "var/www/b24bots/shop-1/tokens.json"
    path.write_text("{")
    done = botctl(tmp_path, "shop-1", "token", "list")
    assert done.returncode == 1
    assert "tokens.json" in done.stderr
    assert "Next step:" in done.stderr


GETS = ("/api/dialogs", "/api/users", "/metrics")
ADMINISTRATION = (("GET", "status"), ("POST", "enable"), ("POST", "disable"), ("POST", "reinit_db"))


def test_a_running_instance_knows_added_and_revoked_tokens_at_once(tmp_path: Path) -> None:
    with StagedServer(tmp_path) as server:

        def status(method: str, path: str, token: str, **headers: str) -> int:
            body = b"" if method == "POST" else None
            return server.request(method, path, body, X_Api_Token=token, X_Forwarded_For="192.0.2.1", **headers).status

        assert server.get("/api/dialogs", X_Api_Token="x" * 43).status == 401
        reads = ok(tmp_path, "shop-1", "token", "add", "reports", "--read").strip()
        rules = ok(tmp_path, "shop-1", "token", "add", "deploy", "--admin").strip()
        assert {status("GET", path, reads) for path in GETS} == {200}
        assert {status(method, f"/api/admin/{verb}", reads) for method, verb in ADMINISTRATION} == {403}
        answer = server.get("/api/admin/status", Authorization=f"Bearer {rules}")
        assert answer.status == 200, answer.text
        assert status("POST", "/api/admin/disable", rules) == 200
        assert status("GET", "/api/dialogs", TOKEN) == 200, "the secret token goes on working"
        refused = server.request("POST", f"/api/admin/enable?token={reads}", b"")
        assert refused.json["error"]["code"] == "token_reads_only"
        assert reads not in refused.text

        stored = server.home / "tokens.json"
        assert stored.stat().st_mode & 0o777 == 0o600
        assert reads not in stored.read_text()
        rows = shown(tmp_path, "shop-1", "token", "list")
        assert [(row["name"], row["scope"]) for row in rows] == [("reports", "read"), ("deploy", "admin")]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["created_at"])
        assert "sha256" not in json.dumps(rows)

        ok(tmp_path, "shop-1", "token", "revoke", "reports")
        assert status("GET", "/api/dialogs", reads) == 401
        assert status("GET", "/api/dialogs", rules) == 200
        stored.write_text("{")
        assert status("GET", "/api/dialogs", rules) == 401, "a damaged file opens nothing"
        assert status("GET", "/api/dialogs", TOKEN) == 200
        assert reads not in (server.home / "bot.log").read_text()


def test_after_a_rotation_and_a_restart_only_the_new_token_opens(tmp_path: Path) -> None:
    with StagedServer(tmp_path) as server:
        ok(tmp_path, "shop-1", "token", "rotate")
        server.restart()
        new = ok(tmp_path, "shop-1", "token", "show").strip()
        assert server.get("/api/dialogs", X_Api_Token=TOKEN).status == 401
        assert server.get("/api/dialogs", X_Api_Token=new).status == 200


def test_a_token_has_a_line_an_end_and_a_last_use(tmp_path: Path) -> None:
    with StagedServer(tmp_path) as server:
        made = shown(tmp_path, "shop-1", "token", "add", "partner", "--line", "7", "--expires", "90d")
        assert (made["scope"], made["line_id"]) == ("read", 7)
        assert made["expires_at"] > made["created_at"]
        (row,) = shown(tmp_path, "shop-1", "token", "list")
        assert row["last_used_at"] is None
        assert server.get("/api/dialogs", X_Api_Token=made["token"]).status == 200
        (row,) = shown(tmp_path, "shop-1", "token", "list")
        assert row["last_used_at"] >= made["created_at"]
        assert "line 7" in ok(tmp_path, "shop-1", "token", "list")
    for wrong in (["--expires", "soon"], ["--line", "7", "--admin"], ["--line", "0"]):
        assert botctl(tmp_path, "shop-1", "token", "add", "x", *wrong).returncode == 2, wrong


def test_with_an_overlap_the_former_token_stays_valid_beside_its_successor(tmp_path: Path) -> None:
    with StagedServer(tmp_path) as server:

        def opens(token: str) -> bool:
            return bool(server.get("/api/dialogs", X_Api_Token=token).status == 200)

        old = ok(tmp_path, "shop-1", "token", "add", "reports").strip()
        new = ok(tmp_path, "shop-1", "token", "rotate", "reports", "--overlap", "24h").strip()
        assert opens(old)
        assert opens(new)
        newest = ok(tmp_path, "shop-1", "token", "rotate", "reports").strip()
        assert [opens(token) for token in (old, new, newest)] == [False, False, True]
        ok(tmp_path, "shop-1", "token", "rotate", "--overlap", "1h")
        server.restart()
        assert opens(TOKEN)
        assert opens(ok(tmp_path, "shop-1", "token", "show").strip())
    assert botctl(tmp_path, "shop-1", "token", "rotate", "nobody").returncode == 1


@pytest.mark.parametrize("verb", ["show", "rotate", "add x", "list", "revoke x"])
def test_every_verb_of_tokens_says_when_there_is_no_such_instance(tmp_path: Path, verb: str) -> None:
    done = botctl(tmp_path, "nobody", "token", *verb.split())
    assert done.returncode == 4
    assert "Next step:" in done.stderr
