"""Secrets planted through every door, failing ones too, and searched for in everything that an instance leaves."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from python_bot.simulator import SimulatedPortal
from tests.instance.tools import (
    BEARER,
    adopt,
    altered,
    at_work,
    auth_file,
    chunked,
    client_message,
    install_event,
    know_token,
    log_text,
    raw,
    status,
    wait_idle,
)
from tests.support import TOKEN, VECTORS, Server, form, until, vector
from tests.support.payloads import APPLICATION_TOKEN, INDEX
from tests.support.server import CLIENT_SECRET, Answer


class Planted:
    """Hands out secrets, each of its own, and finds them again."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.answers: list[Answer] = []

    def __getitem__(self, name: str) -> str:
        return self.secrets.setdefault(name, f"5ecre7{len(self.secrets):04d}" + "ab0de1f2" * 7)

    def found_in(self, content: bytes) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret.encode() in content]


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[SimulatedPortal, Server, Planted]]:
    """An instance, at the most talkative log level, after secrets went through all of its doors."""
    with at_work(env={"B24BOT_LOG_LEVEL": "DEBUG"}) as (portal, server):
        planted = Planted()
        plant(portal, server, planted)
        yield portal, server, planted


def plant(portal: SimulatedPortal, server: Server, planted: Planted) -> None:
    app = next(iter(portal.core.apps.values()))
    kind = {"Content_Type": "application/x-www-form-urlencoded"}

    def post(body: bytes, path: str = "/python_bot/", **headers: str) -> None:
        planted.answers.append(server.request("POST", path, body, **(kind | headers)))

    def get(path: str, **headers: str) -> None:
        planted.answers.append(server.get(path, **headers))

    planted.secrets |= {"api token": TOKEN, "client secret": CLIENT_SECRET, "application token": APPLICATION_TOKEN}

    # Genuine events: every recorded one, with secrets of their own in the places where a portal puts some.
    for row in INDEX:
        body = form(row["file"])
        if b"event=" not in body or b"ONAPPUNINSTALL" in body or b"ONAPPINSTALL" in body or b"ONAPPUPDATE" in body:
            continue
        post(with_secrets(body, planted, row["file"], genuine=b"0000000000000000" not in body))
    post(altered(with_secrets(vector("V4"), planted, "unknown"), {"event": "ONSOMETHINGNEW"}))
    post(altered(with_secrets(vector("V4"), planted, "unreadable"), {}, without=("data[PARAMS][CHAT_ID]",)))
    tree = {
        "event": "ONIMBOTMESSAGEADD",
        "data": {
            "PARAMS": {"CHAT_ID": 1763, "MESSAGE_ID": 90_001, "MESSAGE": "JSON"},
            "BOT": {"597": {"access_token": planted["json bot"], "AUTH": {"refresh_token": planted["json bot copy"]}}},
            "LIST": [{"access_token": planted["json list"]}, [{"refresh_token": planted["json list in list"]}]],
        },
        "auth": {
            "application_token": APPLICATION_TOKEN,
            "access_token": planted["json access"],
            "refresh_token": planted["json refresh"],
        },
    }
    post(json.dumps(tree).encode(), Content_Type="application/json")
    post(json.dumps(tree | {"event": "ONODD"}).encode(), Content_Type="text/plain")
    post(json.dumps(tree)[:-5].encode(), Content_Type="application/json")
    nested = {"data[X][access_token][0]": planted["form list"], "data[PARAMS][MESSAGE_ID]": "90002"}
    post(altered(vector("V4"), nested))

    # Forged ones, installations that are refused, too large and broken ones.
    post(altered(with_secrets(vector("V4"), planted, "forged"), {"auth[application_token]": planted["forged app"]}))
    post(altered(vector("V15"), {"auth[application_token]": planted["forged uninstall"]}))
    post(install_event(portal, planted["made-up access"], planted["made-up app"], refresh_token=planted["made-up re"]))
    post(
        install_event(
            portal,
            planted["foreign access"],
            planted["foreign app"],
            refresh_token=planted["foreign refresh"],
            client_endpoint="https://evil.example/rest/",
        )
    )
    opened = {"AUTH_ID": planted["opened"], "REFRESH_ID": planted["opened refresh"], "member_id": "x", "PLACEMENT": "D"}
    post(urlencode(opened).encode(), f"/python_bot/?DOMAIN={portal.host}&PROTOCOL=0&APP_SID={planted['sid']}")
    post(urlencode(opened).encode(), f"/python_bot/?DOMAIN=evil.example&AUTH_ID={planted['opened in query']}")
    post(b"", f"/python_bot/?event=ONX&auth[application_token]={APPLICATION_TOKEN}&auth[access_token]={planted['q']}")
    post(client_message(90_003), f"/python_bot/?secret={planted['query secret']}&code={planted['query code']}")
    post(b"\xff\xfe" + planted["broken"].encode() + b"&&=" + planted["broken again"].encode())
    head = b"POST /python_bot/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw(server, head + chunked(b"event=ONX&auth[access_token]=" + planted["in chunks"].encode()))

    # The API and monitoring, with the right token and with wrong ones.
    for path in ("/api/dialogs", "/api/dialogs/1763", "/api/users", "/api/admin/status", "/api/nothing", "/metrics"):
        get(f"{path}?token={TOKEN}")
        get(f"{path}?token={planted['wrong in query']}", X_Forwarded_For="203.0.113.9")
        get(path, Authorization=f"Bearer {planted['wrong bearer']}", X_Forwarded_For="203.0.113.9")
        get(path, X_API_Token=planted["wrong header"], X_Forwarded_For="203.0.113.9")
        get(f"{path}?cursor={planted['cursor']}&token={TOKEN}")
        get(f"{path}?{planted['parameter']}=1&limit={planted['limit']}&token={planted['unknown']}")
    planted.secrets.pop("parameter")  # a wrong name is told back: it is no secret
    planted.answers.append(server.request("DELETE", f"/api/dialogs?token={planted['delete']}"))

    # Authorization by code: refused, then accepted; the pair expires, is refreshed, is refused.
    get(f"/python_bot/?code={planted['made-up code']}&domain={portal.host}&state={planted['state']}")
    portal.core.tokens.expire_access()
    for grant in portal.core.tokens.refresh.values():
        grant.spent = True
    post(client_message(90_010, 1800, 1800))
    until(lambda: not status(server)["installed"], what="the pair is dead")
    get(f"/python_bot/?code={planted['second made-up code']}&domain={portal.host}")
    code = portal.authorization_code(app)
    planted.secrets["real code"] = code
    get(f"/python_bot/?code={code}&domain={portal.host}&member_id={portal.member_id}")
    until(lambda: status(server)["installed"], what="authorized again")
    for fault in ("html", "garbage", "down"):
        if fault == "down":
            portal.faults.down = True
        else:
            getattr(portal.faults, fault)(times=1)
        post(client_message(90_020 + len(fault), 1900 + len(fault), 1900 + len(fault)))
        until(lambda: "failed (try 1)" in log_text(server))
    portal.faults.down = False
    wait_idle(server, 40)
    # A person talks: the portal's own events with the portal's own tokens.
    client = portal.client("Анна")
    client.writes("Секретов тут нет")
    portal.operator(27).finishes(client.chat.chat_id)
    portal.wait_quiet()
    wait_idle(server, 40)
    get("/metrics")
    get("/readyz")
    get("/python_bot/")
    for number, token in enumerate([*portal.core.tokens.access, *portal.core.tokens.refresh]):
        planted.secrets[f"token {number} of the portal"] = token


def with_secrets(body: bytes, planted: Planted, name: str, genuine: bool = True) -> bytes:
    """A recorded event whose every token is one of ours."""
    keys = {
        f"{place}[{key}]"
        for place in ("auth", "data[BOT][597]", "data[BOT][597][AUTH]", "data[bot][auth]")
        for key in ("access_token", "refresh_token")
    }
    changes = {key: planted[f"{name} {key}"] for key in keys if quote(key).encode() in body or key.startswith("auth")}
    return altered(body, changes | ({"auth[application_token]": APPLICATION_TOKEN} if genuine else {}))


Scene = tuple[SimulatedPortal, Server, Planted]


def test_enough_was_planted(scene: Scene) -> None:
    _, server, planted = scene
    assert len(planted.secrets) > 150
    assert {200, 400, 401, 404, 405} <= {answer.status for answer in planted.answers}
    assert not [answer.status for answer in planted.answers if answer.status >= 500]
    assert len(server.log()) > 20
    assert server.sql("SELECT COUNT(*) FROM journal")[0][0] >= len(VECTORS)


def test_no_secret_is_in_the_log(scene: Scene) -> None:
    _, server, planted = scene
    assert planted.found_in((server.home / "bot.log").read_bytes()) == []


def test_no_secret_is_in_what_gunicorn_says(scene: Scene) -> None:
    _, server, planted = scene
    assert planted.found_in(server.output_path.read_bytes()) == []


def test_no_secret_is_in_any_answer(scene: Scene) -> None:
    _, _, planted = scene
    for answer in planted.answers:
        headers = repr(sorted(answer.headers.items())).encode()
        assert planted.found_in(answer.body) == [] and planted.found_in(headers) == [], answer.text[:300]


def test_no_secret_is_in_any_file_but_auth_json(scene: Scene) -> None:
    _, server, planted = scene
    found = {
        str(path.relative_to(server.home)): names
        for path in sorted(server.home.rglob("*"))
        if path.is_file() and path.name != "auth.json" and (names := planted.found_in(path.read_bytes()))
    }
    assert found == {}


def test_auth_json_holds_the_pair_and_nothing_that_was_refused(scene: Scene) -> None:
    _, server, planted = scene
    stored = json.dumps(auth_file(server))
    refused = [name for name in planted.secrets if name.startswith(("made-up", "foreign", "opened", "forged", "json"))]
    assert [name for name in refused if planted.secrets[name] in stored] == []
    assert TOKEN not in stored and CLIENT_SECRET not in stored


def test_files_with_secrets_or_conversations_are_the_owners_alone(scene: Scene) -> None:
    _, server, _ = scene
    for path in server.home.iterdir():
        if path.name.startswith(("auth.json", "dialogs.db", "bot.log")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_installations_that_wait_are_kept_0600_and_go_away(portal: SimulatedPortal) -> None:
    portal.faults.down = True
    with Server(portal) as server:
        assert server.post_event(install_event(portal, "waiting-" * 8)).status == 200
        path = server.home / "auth.pending.json"
        assert "waiting-" in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "waiting-waiting" not in log_text(server)
        assert b"waiting-waiting" not in (server.home / "dialogs.db-wal").read_bytes()
        portal.faults.down = False
        until(lambda: not path.exists(), what="it was refused and is gone")


def test_a_portal_that_repeats_our_token_in_an_error_does_not_spread_it(portal: SimulatedPortal) -> None:
    server = Server(portal, env={"B24BOT_LINES": "none"})
    adopt(portal, server)
    know_token(portal, "repeated" * 8)
    server.pretend_installed(access_token="repeated" * 8)
    with server:
        wait_idle(server)
        said = f"The token {'repeated' * 8} is not welcome"
        portal.faults.fail("imopenlines.bot.session.operator", "SOMETHING_FINAL", 400, description=said)
        assert server.post_event(client_message(85833)).status == 200
        until(lambda: status(server)["outbox"]["buried"], what="the hand-over is given up")
        assert "repeatedrepeated" not in log_text(server)
        assert "repeatedrepeated" not in server.get("/api/dialogs/1763", **BEARER).text
