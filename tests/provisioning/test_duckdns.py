"""DuckDNS against a simulated one: what its answers mean, what create makes of it, what is left after it. No root."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from python_bot.errors import B24BotError
from python_bot.provisioning import duckdns
from python_bot.provisioning.duckdns import DuckDns
from python_bot.provisioning.paths import Layout
from tests.cli.tools import Done, botctl, ok, tree
from tests.e2e.inside.duckdns import ADDRESS, SimulatedDuckDns

TOKEN = "a7c4d0ad-114e-40ef-ba1d-d217904a50f2"
ACCOUNTS = {"mybots": TOKEN, "other-bots": TOKEN}


@pytest.fixture
def server() -> Iterator[SimulatedDuckDns]:
    with SimulatedDuckDns(lambda: ACCOUNTS) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A staging root with a file that holds the token beside it."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/var").mkdir()
    return tmp_path / "root"


def create(root: Path, name: str = "shop-1", *flags: str) -> str:
    token = ("--duckdns-token-file", str(root.parent / "token"))
    return ok(root, name, "create", "--duckdns-domain", "mybots", *token, "--yes", *flags)


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    return {path: row for path, row in tree(root).items() if not path.startswith("run/")}


# --- what DuckDNS says -------------------------------------------------------------------------------------------


def test_ok_gives_the_address_that_the_name_leads_to(server: SimulatedDuckDns) -> None:
    assert duckdns.update(DuckDns("mybots", TOKEN), server.url) == ADDRESS
    assert server.asked == [{"domains": "mybots", "token": TOKEN, "ip": "", "verbose": "true"}]


@pytest.mark.parametrize(
    "answer, problem",
    [
        ((200, b"KO"), "refuses mybots.duckdns.org"),
        ((500, b"KO\n"), "refuses mybots.duckdns.org"),
        ((200, b"<html>OK</html>"), "HTTP 200 and neither OK nor KO"),
        ((502, b"Bad Gateway"), "HTTP 502 and neither OK nor KO"),
        ((302, b""), "HTTP 302 and neither OK nor KO"),
        ((200, b"OKAY"), "neither OK nor KO"),
    ],
)
def test_the_body_decides_and_not_the_status(server: SimulatedDuckDns, answer: tuple[int, bytes], problem: str) -> None:
    server.answer = answer
    with pytest.raises(B24BotError, match=problem) as refused:
        duckdns.update(DuckDns("mybots", TOKEN), server.url)
    assert refused.value.next_step
    assert TOKEN not in f"{refused.value} {refused.value.next_step} {refused.value.__cause__!r}"


def test_a_plain_ok_is_enough_whatever_the_status(server: SimulatedDuckDns) -> None:
    server.answer = (500, b"OK")
    assert duckdns.update(DuckDns("mybots", TOKEN), server.url) == ""


def test_no_answer_at_all_names_no_url(server: SimulatedDuckDns) -> None:
    with SimulatedDuckDns(dict) as gone:
        url = gone.url
    with pytest.raises(B24BotError, match="no answer from DuckDNS") as refused:
        duckdns.update(DuckDns("mybots", TOKEN), url)
    assert TOKEN not in str(refused.value) and "http" not in str(refused.value)
    assert refused.value.__suppress_context__, "a traceback would show the URL"


def test_a_token_is_never_part_of_what_is_printed_of_the_value() -> None:
    assert TOKEN not in repr(DuckDns("mybots", TOKEN))


@pytest.mark.parametrize(
    "pasted", ["mybots", "MyBots", "mybots.duckdns.org", " https://mybots.duckdns.org/path ", "mybots.duckdns.org."]
)
def test_a_name_is_taken_as_it_is_pasted(pasted: str) -> None:
    assert duckdns.read_name(pasted) == "mybots"


@pytest.mark.parametrize("pasted", ["", "a.b", "мой-бот", "-x", "x_y", "bots.example.ru", ".duckdns.org", "a b"])
def test_what_can_be_no_name_at_duckdns_is_refused_with_a_next_step(pasted: str) -> None:
    with pytest.raises(B24BotError) as refused:
        duckdns.read_name(pasted)
    assert refused.value.next_step


# --- what create makes of it -------------------------------------------------------------------------------------


def test_create_keeps_the_token_in_one_file_that_only_root_reads(root: Path) -> None:
    create(root)
    found = files(root)
    assert found.pop("etc/b24bot/duckdns-mybots.token") == (0o600, f"{TOKEN}\n".encode())
    assert [path for path, (_, content) in found.items() if TOKEN.encode() in content] == []
    service = found["etc/systemd/system/b24bot-duckdns-mybots.service"][1].decode()
    assert "LoadCredential=token:/etc/b24bot/duckdns-mybots.token" in service and "@" not in service.split("[Serv")[0]
    assert "OnUnitActiveSec=5min" in found["etc/systemd/system/b24bot-duckdns-mybots.timer"][1].decode()
    assert "test -d /run/systemd/system ||" in found["etc/cron.d/b24bot-duckdns-mybots"][1].decode()
    assert "http://mybots.duckdns.org/shop-1/python_bot/" in ok(root, "shop-1", "url")


def test_the_plan_shows_every_step_and_no_token(root: Path) -> None:
    before = files(root)
    shown = create(root, "shop-1", "--plan")
    for part in ("duckdns-mybots.token", "b24bot-duckdns-mybots.timer", "cron.d/b24bot-duckdns-mybots"):
        assert part in shown
    assert TOKEN not in shown
    assert files(root) == before


def test_a_second_run_needs_no_token_and_changes_nothing(root: Path) -> None:
    create(root)
    before = files(root)
    assert "nothing was changed" in ok(root, "shop-1", "create", "--duckdns-domain", "mybots.duckdns.org", "--yes")
    assert "nothing was changed" in ok(root, "shop-1", "create", "--yes")
    assert files(root) == before


def test_flags_environment_and_answers_lead_to_the_same(root: Path) -> None:
    create(root)
    wanted = files(root).keys()
    ok(root, "shop-1", "purge", "--yes")
    with mock.patch.dict(os.environ, {"DUCKDNS_TOKEN": TOKEN}):
        ok(root, "shop-1", "create", "--duckdns-domain", "mybots", "--yes")
    assert files(root).keys() == wanted
    ok(root, "shop-1", "purge", "--yes")
    answers = root.parent / "answers"
    answers.write_text(f"DUCKDNS_DOMAIN=mybots\nDUCKDNS_TOKEN={TOKEN}\n")
    ok(root, "shop-1", "create", "--answers", str(answers), "--yes")
    assert files(root).keys() == wanted
    ok(root, "shop-1", "purge", "--yes")
    with mock.patch.dict(os.environ, {"DUCKDNS_TOKEN": TOKEN}):
        ok(root, "shop-1", "create", "--domain", "https://mybots.duckdns.org/", "--yes")
    assert files(root).keys() == wanted


def test_a_name_without_a_token_is_left_to_somebody_else_or_refused_when_it_was_asked_for(root: Path) -> None:
    ok(root, "shop-1", "create", "--domain", "mybots.duckdns.org", "--yes")
    assert [path for path in files(root) if "duckdns-" in path] == []
    refused = botctl(root, "shop-2", "create", "--duckdns-domain", "other-bots", "--yes")
    assert refused.returncode == 1 and "--duckdns-token-file" in refused.stderr


@pytest.mark.parametrize(
    "flags",
    [("--domain", "bots.example.ru", "--duckdns-domain", "mybots"), ("--domain", "x.ru", "--duckdns-token-file", "T")],
)
def test_flags_that_contradict_each_other_are_refused(root: Path, flags: tuple[str, ...]) -> None:
    given = [str(root.parent / "token") if flag == "T" else flag for flag in flags]
    assert botctl(root, "shop-1", "create", *given, "--yes").returncode == 2


def test_everything_goes_with_the_last_instance_of_the_name(root: Path) -> None:
    before = files(root)
    create(root, "shop-1")
    ok(root, "shop-2", "create", "--duckdns-domain", "mybots", "--yes")
    ok(root, "shop-1", "purge", "--yes")
    assert (root / "etc/b24bot/duckdns-mybots.token").is_file()
    ok(root, "shop-2", "purge", "--yes")
    assert files(root) == before
    assert not (root / "etc/cron.d").exists()


def test_moving_to_another_domain_ends_the_refreshes(root: Path) -> None:
    create(root)
    ok(root, "shop-1", "create", "--domain", "bots.example.ru", "--yes")
    assert [path for path in files(root) if "duckdns" in path] == []


# --- refreshing --------------------------------------------------------------------------------------------------


def refresh(root: Path, server: SimulatedDuckDns, *names: str) -> Done:
    with mock.patch.dict(os.environ, {"B24BOT_DUCKDNS_URL": server.url}):
        return botctl(root, "duckdns", *names)


def test_botctl_duckdns_refreshes_every_name_and_status_tells_how_it_went(root: Path, server: SimulatedDuckDns) -> None:
    (root / "run").mkdir()
    create(root)
    ok(root, "shop-2", "create", "--duckdns-domain", "other-bots", "--answers", str(_answers(root)), "--yes")
    done = refresh(root, server)
    assert done.returncode == 0 and f"mybots.duckdns.org leads to {ADDRESS}" in done.stdout
    assert sorted(query["domains"] for query in server.asked) == ["mybots", "other-bots"]
    state = json.loads(botctl(root, "shop-1", "status", "--json").stdout)["duckdns"]
    assert state["address"] == ADDRESS and state["problem"] == ""

    server.answer = (200, b"KO")
    done = refresh(root, server, "mybots")
    assert done.returncode == 1
    assert "refuses mybots.duckdns.org" in done.stderr and "Next step: " in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "refuses mybots.duckdns.org" in botctl(root, "shop-1", "status").stdout

    ok(root, "shop-1", "purge", "--yes")
    assert duckdns.last(Layout(root), "mybots") is None


def _answers(root: Path) -> Path:
    path = root.parent / "answers"
    path.write_text(f"DUCKDNS_TOKEN={TOKEN}\n")
    return path


def test_a_name_that_is_not_refreshed_here_is_told_with_the_next_step(root: Path, server: SimulatedDuckDns) -> None:
    done = refresh(root, server, "mybots")
    assert done.returncode == 1 and "--duckdns-domain mybots" in done.stderr
    assert server.asked == []
    assert "no name" in refresh(root, server).stdout
