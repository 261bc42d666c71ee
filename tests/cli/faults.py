"""An installed instance, and everything that can be wrong with it or with its portal: each really made."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from python_bot.provisioning.paths import Layout
from python_bot.simulator import App, SimulatedPortal
from tests.cli.tools import StagedServer, botctl
from tests.instance.tools import wait_idle
from tests.support import until
from tests.support.payloads import CLIENT_ID
from tests.support.server import CLIENT_SECRET, free_port

ELSEWHERE: Final = "https://former.example.ru/python_bot/"


class Shop(NamedTuple):
    root: Path
    portal: SimulatedPortal
    server: StagedServer

    @property
    def app(self) -> App:
        return self.portal.core.apps[CLIENT_ID]

    @property
    def bot_id(self) -> int:
        return max(self.portal.core.bots)

    @property
    def auth(self) -> Path:
        return self.server.home / "auth.json"

    def write(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.server.home / "dialogs.db", timeout=30)) as db, db:
            for statement in statements:
                db.execute(statement)


def examined(shop: Shop, *options: str) -> dict[str, Any]:
    done = botctl(shop.root, "shop-1", "doctor", "--json", *options)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["level"] == "green" else 1), done.stderr
    assert found["seconds"] < 10
    return found


def problems(found: dict[str, Any]) -> list[str]:
    """Codes of what is wrong by itself, the root cause first."""
    return [row["code"] for row in found["findings"] if row["level"] != "green" and not row["because"]]


# --- faults ------------------------------------------------------------------------------------------------------


def handler_of_another_server(shop: Shop) -> None:
    for handler in shop.portal.core.handlers:
        handler.url = ELSEWHERE


def subscription_missing(shop: Shop) -> None:
    shop.portal.core.unbind(CLIENT_ID, "ONAPPTEST")
    shop.portal.core.unbind(CLIENT_ID, "ONSESSIONSTART")
    shop.portal.core.unbind(CLIENT_ID, "ONIMBOTMESSAGEADD")


def bot_deleted(shop: Shop) -> None:
    shop.portal.core.remove_bot(shop.bot_id)  # silently: with its event the instance would mend it at once


def scope_missing(shop: Shop) -> None:
    shop.app.scopes = ("im", "imopenlines", "disk")


def tokens_dead(shop: Shop) -> None:
    shop.portal.core.tokens.access.clear()
    shop.portal.core.tokens.refresh.clear()


def installer_dismissed(shop: Shop) -> None:
    shop.portal.core.users[1].active = False


def line_detached(shop: Shop) -> None:
    shop.portal.line(3).fields["WELCOME_BOT_ENABLE"] = "N"


def welcome_bot_left_reset(shop: Shop) -> None:
    shop.portal.line(3).fields["WELCOME_BOT_LEFT"] = "queue"


def portal_silent(shop: Shop) -> None:
    shop.portal.faults.drop_events(10**6)
    an_hour_ago(shop)


def an_hour_ago(shop: Shop) -> None:
    shop.write("UPDATE journal SET received_at = received_at - 3600")


def another_application_token(shop: Shop) -> None:
    shop.app.application_token = "another-application-token-0123456789"


def never_installed(shop: Shop) -> None:
    shop.auth.unlink()


def expired_without_a_secret(shop: Shop) -> None:
    shop.server.stop()
    env_file = Layout(shop.root).env_file("shop-1")
    env_file.write_text(re.sub(r"(?m)^CLIENT_SECRET=.*\n", "", env_file.read_text()))
    stored = json.loads(shop.auth.read_text())
    shop.auth.write_text(json.dumps({**stored, "expires_at": 1}))
    shop.portal.core.tokens.expire_access()
    shop.server.env.pop("CLIENT_SECRET")
    shop.server.start()


def portal_busy(shop: Shop) -> None:
    shop.portal.faults.fail("batch", "QUERY_LIMIT_EXCEEDED", 503, times=10**6)


def portal_unreachable(shop: Shop) -> None:
    shop.portal.faults.down = True


def clock_off(shop: Shop) -> None:
    shop.portal.clock.advance(600)


def outbox_stuck(shop: Shop) -> None:
    shop.portal.faults.fail("imopenlines.bot.session.operator", "INTERNAL_SERVER_ERROR", times=10**6)
    shop.portal.client("Борис").writes("Есть кто?")
    refused = "SELECT 1 FROM outbox WHERE kind = 'handover' AND last_error <> '' AND claimed_until = 0"
    until(lambda: shop.server.sql(refused), what="the hand-over was tried and waits")
    shop.write("UPDATE outbox SET created_at = created_at - 3600, due_at = due_at + 3600 WHERE attempts > 0")


def jobs_given_up(shop: Shop) -> None:
    shop.write(
        "INSERT INTO outbox (kind, payload, lane, dedupe_key, trace_id, attempts, created_at, due_at, buried_at,"
        " last_error) VALUES ('names', '{}', 'names', 'names', '', 8, 1, 1, 2, 'no answer from the portal')"
    )


def database_damaged(shop: Shop) -> None:
    """While the instance runs, as a failing disk does it."""
    shop.write("PRAGMA wal_checkpoint(TRUNCATE)")
    path = shop.server.home / "dialogs.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\x5a" * 4096 * 8)


def database_no_database(shop: Shop) -> None:
    """The instance finds it so at its start."""
    shop.server.stop()
    (shop.server.home / "dialogs.db").write_bytes(b"\x5a" * 8192)
    shop.server.start()
    wait_idle(shop.server)


def application_removed(shop: Shop) -> None:
    shop.portal.uninstall_app(shop.app)
    until(lambda: 'uninstalled_at": 0' not in shop.auth.read_text(), what="the instance knows of it")


def permissions(shop: Shop) -> None:
    shop.auth.chmod(0o644)


def calls_switched_off(shop: Shop) -> None:
    shop.server.api("/api/admin/disable", "POST")


def secret_in_a_log(shop: Shop) -> None:
    with (shop.server.home / "bot.log").open("a") as log:
        log.write(f"oops {CLIENT_SECRET}\n")


def port_dead(shop: Shop) -> None:
    shop.server.stop()


def several_chats(shop: Shop) -> None:
    shop.write(
        "INSERT INTO dialogs (chat_id, dialog_id, entity_id, connector_id, line_id, client_id, opened_at)"
        " SELECT 999, 'chat999', entity_id, connector_id, line_id, client_id, opened_at FROM dialogs LIMIT 1"
    )


def installer_no_administrator(shop: Shop) -> None:
    shop.portal.core.users[1].admin = False


def secret_wrong(shop: Shop) -> None:
    """Mistyped: nobody feels it before the token's hour is over."""
    env_file = Layout(shop.root).env_file("shop-1")
    env_file.write_text(env_file.read_text().replace(CLIENT_SECRET, CLIENT_SECRET[:-1]))


def oauth_unreachable(shop: Shop) -> None:
    """A firewall that lets nothing but the portal's own address out."""
    stored = json.loads(shop.auth.read_text())
    shop.auth.write_text(json.dumps({**stored, "oauth_base": f"http://127.0.0.1:{free_port()}"}))


def http_journal_not_written(shop: Shop) -> None:
    until(lambda: shop.server.sql("SELECT 1 FROM http_journal WHERE kind = 'event'"), what="the journal is written")
    shop.write("DELETE FROM http_journal", "UPDATE journal SET received_at = received_at - 90")


FAULTS: Final[dict[str, Callable[[Shop], None]]] = {
    "handler_foreign": handler_of_another_server,
    "handler_missing": subscription_missing,
    "bot_missing": bot_deleted,
    "scope_missing": scope_missing,
    "tokens_dead": tokens_dead,
    "installer_dismissed": installer_dismissed,
    "line_detached": line_detached,
    "line_fields": welcome_bot_left_reset,
    "silent_network": portal_silent,
    "silent_receiver": another_application_token,
    "not_installed": never_installed,
    "token_expired": expired_without_a_secret,
    "secret_wrong": secret_wrong,
    "oauth_unreachable": oauth_unreachable,
    "portal_busy": portal_busy,
    "portal_unreachable": portal_unreachable,
    "clock_wrong": clock_off,
    "journal_gap": http_journal_not_written,
    "outbox_stuck": outbox_stuck,
    "outbox_buried": jobs_given_up,
    "database_damaged": database_damaged,
    "database_set_aside": database_no_database,
    "uninstalled": application_removed,
    "permissions": permissions,
    "disabled": calls_switched_off,
    "log_secret": secret_in_a_log,
    "port_dead": port_dead,
    "chats_doubled": several_chats,
    "installer_plain": installer_no_administrator,
}
