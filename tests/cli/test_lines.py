"""`botctl INSTANCE lines` against the simulated portal: the setting and the portal change together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from python_bot.provisioning.paths import Layout
from python_bot.simulator import SimulatedPortal
from tests.cli.tools import StagedServer, botctl, create, ok, shown
from tests.support import TOKEN, until


class Shop(NamedTuple):
    root: Path
    portal: SimulatedPortal
    server: StagedServer

    def states(self) -> dict[str, str]:
        return {key: row["state"] for key, row in shown(self.root, "shop-1", "lines", "list")["lines"].items()}

    def setting(self) -> str:
        return str(shown(self.root, "shop-1", "lines", "list")["setting"])

    def restart(self) -> None:
        """The unit's restart, which there is none of below a staging root."""
        self.server.restart()
        until(lambda: self.server.api("/api/admin/status")["outbox"]["waiting"] == {})

    def field(self, line_id: int, name: str = "WELCOME_BOT_ENABLE") -> str:
        return str(self.portal.line(line_id).fields[name])


@contextmanager
def installed(root: Path) -> Iterator[Shop]:
    with SimulatedPortal(limits=False) as portal:
        portal.add_line("Поддержка", line_id=7)
        portal.add_line("Чужая", line_id=9)
        portal.line(9).fields |= {"WELCOME_BOT_ENABLE": "Y", "WELCOME_BOT_ID": "555"}
        with StagedServer(root, portal) as server:
            server.install()
            yield Shop(root, portal, server)


@pytest.fixture(scope="module")
def one_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with installed(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    """Lines 3 and 7 are ours, 9 is another bot's, and the setting is 'all': before every test, and after it again."""
    portal, env_file = one_shop.portal, Layout(one_shop.root).env_file("shop-1")
    settings = env_file.read_bytes()
    fields = {line_id: dict(portal.line(line_id).fields) for line_id in (3, 7, 9)}
    yield one_shop
    portal.core.users[1].admin = True
    env_file.write_bytes(settings)
    for line_id, before in fields.items():
        portal.line(line_id).fields.update(before)


def test_detach_and_attach_change_the_setting_and_the_portal(shop: Shop) -> None:
    assert shop.states() == {"3": "attached", "7": "attached", "9": "other bot"}
    assert shop.setting() == "all"

    out = ok(shop.root, "shop-1", "lines", "detach", "7")
    assert "B24BOT_LINES=3\n" in out
    assert shop.field(7) == "N"
    assert shop.field(3) == "Y"
    assert shop.states() == {"3": "attached", "7": "no bot", "9": "other bot"}
    shop.restart()
    assert shop.states()["7"] == "no bot", "the restarted instance does not attach itself again"

    out = ok(shop.root, "shop-1", "lines", "attach", "7")
    assert "B24BOT_LINES=3,7\n" in out
    shop.restart()
    assert shop.states() == {"3": "attached", "7": "attached", "9": "other bot"}
    assert shop.field(7, "WELCOME_BOT_LEFT") == "close"


def test_a_line_of_another_bot_is_never_detached_and_taken_over_only_by_name(shop: Shop) -> None:
    out = ok(shop.root, "shop-1", "lines", "detach", "9")
    assert "other bot" in out
    assert shop.field(9, "WELCOME_BOT_ID") == "555"
    assert shop.field(9) == "Y"
    ok(shop.root, "shop-1", "lines", "attach", "9")
    assert shop.setting() == "3,7,9"
    shop.restart()
    assert shop.states() == {"3": "attached", "7": "attached", "9": "attached"}


def test_the_last_line_detached_leaves_none(shop: Shop) -> None:
    ok(shop.root, "shop-1", "lines", "detach", "3", "7")
    assert shop.setting() == "none"
    again = ok(shop.root, "shop-1", "lines", "detach", "3", "7")
    assert "as before" in again
    shop.restart()
    assert shop.states() == {"3": "no bot", "7": "no bot", "9": "other bot"}


def test_a_line_that_the_portal_does_not_have_changes_nothing(shop: Shop) -> None:
    done = botctl(shop.root, "shop-1", "lines", "attach", "3", "99")
    assert done.returncode == 1
    assert "99" in done.stderr
    assert "Next step:" in done.stderr
    assert shop.setting() == "all"
    assert botctl(shop.root, "shop-1", "lines", "attach", "x").returncode == 2
    assert botctl(shop.root, "shop-1", "lines", "attach").returncode == 2


def test_what_the_portal_refuses_is_said(shop: Shop) -> None:
    shop.portal.core.users[1].admin = False
    done = botctl(shop.root, "shop-1", "lines", "detach", "7")
    assert done.returncode == 1
    assert "CONFIG_WRONG_USER_PERMISSION" in done.stdout
    assert "Next step:" in done.stderr
    assert shop.field(7) == "Y"


def test_when_the_instance_is_off_and_the_portal_silent_the_last_state_is_shown(tmp_path: Path) -> None:
    with installed(tmp_path) as shop:
        shop.server.stop()
        assert shop.states()["3"] == "attached", "the instance's tokens work without it"
        shop.portal.close()
        found = shown(shop.root, "shop-1", "lines", "list")
        assert found["problem"]
        assert found["lines"]["3"] == {"name": "Продажи", "state": "attached"}
        done = botctl(shop.root, "shop-1", "lines", "detach", "3")
        assert done.returncode == 1
        assert shown(shop.root, "shop-1", "lines", "list")["setting"] == "all", "nothing was changed"
        assert TOKEN not in done.stderr + done.stdout


def test_an_instance_that_was_never_installed_says_so(tmp_path: Path) -> None:
    create(tmp_path)
    out = ok(tmp_path, "shop-1", "lines")
    assert "botctl shop-1 status" in out
    done = botctl(tmp_path, "shop-1", "lines", "detach", "3")
    assert done.returncode == 1
    assert "Next step:" in done.stderr
    assert botctl(tmp_path, "nobody", "lines").returncode == 4
