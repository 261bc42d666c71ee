"""`botctl INSTANCE doctor`: every fault of an instance and its portal is really made, and the doctor names it first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from python_bot.provisioning.paths import Layout
from python_bot.simulator import SimulatedPortal
from tests.cli.faults import FAULTS, Shop, bot_deleted, examined, line_detached, problems
from tests.cli.tools import StagedServer, botctl
from tests.instance.tools import adopt, wait_idle
from tests.support import until
from tests.support.server import CLIENT_SECRET


def test_a_healthy_instance_is_green_in_every_section(shop: Shop) -> None:
    shop.server.get("/api/dialogs")
    shop.server.get("/api/dialogs", Authorization="Bearer nobody")
    until(lambda: shop.server.sql("SELECT 1 FROM http_journal WHERE outcome = 'unknown'"), what="the journal has it")
    found = examined(shop)
    assert (found["level"], problems(found), found["root_cause"]) == ("green", [], None)
    assert {row["section"] for row in found["findings"]} == set("ABCDEFM")
    codes = {row["code"] for row in found["findings"]}
    expected = {"dns_ok", "reach_ok", "handler_ok", "token_ok", "scope_ok", "installer_ok", "round_trip_ok", "bot_ok"}
    expected |= {
        "renewal_ok",
        "journal_ok",
        "lines_ok",
        "database_ok",
        "events_seen",
        "outbox_ok",
        "completeness_ok",
        "chats_ok",
        "log_ok",
    }
    assert expected <= codes
    (refused,) = [row["evidence"] for row in found["findings"] if row["code"] == "refusals_seen"]
    assert "in api, none: missing ×1" in refused and "in api, bearer: unknown ×1" in refused


def test_an_instance_that_fetches_its_events_is_green_without_a_way_in(tmp_path: Path) -> None:
    with SimulatedPortal(limits=False) as portal:
        server = StagedServer(tmp_path, portal)
        env_file = Layout(tmp_path).env_file("shop-1")
        url = "http://nobody.invalid/python_bot/"
        lines = [line for line in env_file.read_text().splitlines() if not line.startswith("B24BOT_PUBLIC_URL=")]
        env_file.write_text("\n".join([*lines, f"B24BOT_PUBLIC_URL={url}", "B24BOT_EVENT_MODE=fetch", ""]))
        server.take_settings()
        adopt(portal, server)
        with server:
            until(lambda: (server.api("/api/admin/status")["portal"] or {}).get("bot_id"), what="registration")
            wait_idle(server)
            found = examined(Shop(tmp_path, portal, server))
    assert problems(found) == [], json.dumps(found, ensure_ascii=False, indent=1)
    assert not {"handler_ok", "round_trip_ok", "dns_ok"} & {row["code"] for row in found["findings"]}


@pytest.mark.parametrize("method", ["profile", "batch", "event.test"])
def test_a_portal_that_is_busy_for_some_seconds_is_asked_again(shop: Shop, method: str) -> None:
    """By its bucket, which all that calls it from one address share: the instance, its neighbours, and the doctor."""
    shop.portal.faults.fail(method, "QUERY_LIMIT_EXCEEDED", 503)
    found = examined(shop)
    assert (found["level"], problems(found)) == ("green", []), json.dumps(found, ensure_ascii=False, indent=1)
    assert "round_trip_ok" in {row["code"] for row in found["findings"]}


def test_a_person_reads_the_cause_first_in_their_language(shop: Shop) -> None:
    line_detached(shop)
    english = botctl(shop.root, "shop-1", "doctor").stdout
    assert "Root cause: dialogs of this line do not reach us" in english and "Next step: botctl shop-1" in english
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("python_bot.cli.doctor.language", lambda: "ru")
        russian = botctl(shop.root, "shop-1", "doctor").stdout
    assert "Причина: диалоги этой линии до нас не доходят" in russian and "на линии 3 (Продажи) нет бота" in russian


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_named_first_and_nothing_false_is_said(shop: Shop, code: str) -> None:
    FAULTS[code](shop)
    found = examined(shop)
    assert problems(found) == [code], json.dumps(found, ensure_ascii=False, indent=1)
    first = found["findings"][0]
    assert first["evidence"] and first["meaning"] and first["next_step"]


MENDED = ("handler_foreign", "handler_missing", "bot_missing", "line_detached", "line_fields", "permissions")


@pytest.mark.parametrize("code", [*MENDED, "outbox_buried"])
def test_fix_repairs_it_says_so_and_all_is_green_again(shop: Shop, code: str) -> None:
    FAULTS[code](shop)
    found = examined(shop, "--fix")
    assert len(found["repaired"]) == 1 and "not repaired" not in found["repaired"][0]
    until(lambda: set(problems(examined(shop))) <= {"bot_changed"}, 30, what="all is green again")
    assert len(shop.portal.core.bots) == 1


def test_a_bot_that_was_made_anew_is_told_with_its_former_number(shop: Shop) -> None:
    former = shop.bot_id
    bot_deleted(shop)
    found = examined(shop, "--fix")
    row = next(row for row in found["findings"] if row["code"] == "bot_changed")
    assert (row["facts"]["former"], row["facts"]["bot_id"]) == (str(former), str(shop.bot_id))


def test_no_token_and_no_secret_is_shown(shop: Shop) -> None:
    stored = json.loads(shop.auth.read_text())
    for options in ((), ("--json",)):
        said = botctl(shop.root, "shop-1", "doctor", *options)
        for secret in (stored["access_token"], stored["refresh_token"], stored["application_token"], CLIENT_SECRET):
            assert secret not in said.stdout + said.stderr


def test_the_examination_leaves_the_portal_and_the_files_as_they_are(shop: Shop) -> None:
    before = (shop.auth.read_bytes(), list(shop.portal.core.handlers), dict(shop.portal.line(3).fields))
    examined(shop)
    assert (shop.auth.read_bytes(), list(shop.portal.core.handlers), dict(shop.portal.line(3).fields)) == before


def test_an_expired_token_is_renewed_on_the_way(shop: Shop) -> None:
    shop.portal.core.tokens.expire_access()
    found = examined(shop)
    assert found["level"] == "green"
    assert "token_renewed" in {row["code"] for row in found["findings"]}
    assert shop.auth.stat().st_mode & 0o777 == 0o600
