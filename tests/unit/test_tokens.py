from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from python_bot.bitrix.hosts import HostPolicy
from python_bot.bitrix.tokens import MAX_CANDIDATES, Authorizer, Candidate, Installation, TokenStore
from python_bot.bitrix.transport import Answer, Transport
from python_bot.errors import NotAuthorized, PortalUnavailable
from python_bot.simulator import App, SimulatedPortal

FOUND = Installation(
    "access", "refresh", 4_102_444_800, "https://acme.bitrix24.ru/rest/", "https://oauth.bitrix24.tech"
)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path)


# --- the file


def test_nothing_is_installed_at_first(store: TokenStore) -> None:
    assert store.current() is None
    assert store.candidates() == []


def test_what_is_saved_is_read_by_everyone_and_belongs_to_its_owner_alone(store: TokenStore, tmp_path: Path) -> None:
    store.save(FOUND)
    assert store.current() == TokenStore(tmp_path).current() == FOUND
    assert stat.S_IMODE((tmp_path / "auth.json").stat().st_mode) == 0o600
    store.add_candidate(Candidate(FOUND))
    assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}


def test_a_change_by_another_process_is_noticed(store: TokenStore, tmp_path: Path) -> None:
    store.save(FOUND)
    assert store.current() == FOUND
    other = replace(FOUND, access_token="accesS")
    TokenStore(tmp_path).save(other)
    assert store.current() == other


def test_a_write_that_fails_leaves_the_former_pair_and_no_litter(
    store: TokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(FOUND)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("python_bot.bitrix.tokens.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        store.save(replace(FOUND, access_token="new"))
    monkeypatch.undo()
    assert store.current() == FOUND
    assert sorted(found.name for found in tmp_path.iterdir()) == ["auth.json", "auth.lock"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"{}", b'{"access_token": "a"}']
)
def test_a_damaged_file_is_the_same_as_no_installation(store: TokenStore, content: bytes) -> None:
    store.path.write_bytes(content)
    assert store.current() is None
    store.save(FOUND)
    assert store.current() == FOUND


@pytest.mark.parametrize(
    "damage", [{"expires_at": "soon"}, {"access_token": None}, {"application_token": 7}, {"client_endpoint": []}]
)
def test_a_file_with_members_of_the_wrong_type_is_the_same_as_no_installation(
    store: TokenStore, damage: dict[str, Any]
) -> None:
    store.save(FOUND)
    store.path.write_text(json.dumps({**json.loads(store.path.read_text()), **damage}))
    assert store.current() is None


def test_members_that_a_newer_release_added_are_ignored(store: TokenStore) -> None:
    store.save(FOUND)
    store.path.write_text(json.dumps({**json.loads(store.path.read_text()), "colour": "green"}))
    assert store.current() == FOUND


def test_readers_never_see_a_part_of_a_file(store: TokenStore, tmp_path: Path) -> None:
    store.save(FOUND)
    stop, seen = threading.Event(), set()

    def read() -> None:
        other = TokenStore(tmp_path)
        while not stop.is_set():
            found = other.current()
            seen.add(found and (found.access_token, found.scope))

    thread = threading.Thread(target=read)
    thread.start()
    for i in range(60):
        store.save(replace(FOUND, access_token=f"a{i}", scope=f"a{i}" * 500))
    stop.set()
    thread.join(10.0)
    assert None not in seen
    assert all(scope in ("", token * 500) for token, scope in seen)  # type: ignore[misc]  # none is None


def test_a_token_is_not_in_the_text_of_an_installation() -> None:
    assert "access" not in repr(FOUND) and "refresh" not in str(Candidate(FOUND))


# --- candidates


def test_candidates_wait_until_they_are_dropped_and_are_capped(store: TokenStore) -> None:
    some = [Candidate(replace(FOUND, access_token=f"t{i}"), opened=i == 1) for i in range(MAX_CANDIDATES + 1)]
    assert [store.add_candidate(candidate) for candidate in some] == [True] * MAX_CANDIDATES + [False]
    assert store.candidates() == some[:-1]
    store.drop_candidate(some[0])
    assert store.add_candidate(some[-1]) is True
    for candidate in some:
        store.drop_candidate(candidate)
    assert store.candidates() == []


def test_the_same_candidate_again_takes_no_second_place(store: TokenStore) -> None:
    for _ in range(3):
        assert store.add_candidate(Candidate(FOUND, connector_id="tg", line_id=3))
    assert store.candidates() == [Candidate(FOUND, connector_id="tg", line_id=3)]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"[1]", b"7", b'{"candidates": 5}', b'{"candidates": [5]}', b'{"candidates": [{}]}']
)
def test_a_damaged_list_of_candidates_is_an_empty_one(store: TokenStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "auth.pending.json").write_bytes(content)
    assert store.candidates() == []
    assert store.add_candidate(Candidate(FOUND)) is True


def test_a_candidate_of_a_newer_release_is_read_or_ignored(store: TokenStore, tmp_path: Path) -> None:
    store.add_candidate(Candidate(FOUND))
    path = tmp_path / "auth.pending.json"
    rows = json.loads(path.read_text())
    rows["candidates"][0]["colour"] = "green"
    path.write_text(json.dumps(rows))
    assert store.candidates() in ([], [Candidate(FOUND)])


# --- refreshing, against an authorization server


@pytest.fixture
def portal() -> Iterator[SimulatedPortal]:
    with SimulatedPortal() as running:
        yield running


@pytest.fixture
def app(portal: SimulatedPortal) -> App:
    return portal.install_app("http://127.0.0.1:9/python_bot/", send=False)


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport()
    yield transport
    transport.close()


Make = Callable[[], Authorizer]


def authorizer(home: Path, portal_url: str, oauth_url: str, client_id: str, secret: str, transport: Any) -> Authorizer:
    policy = HostPolicy(portal_url, oauth_url)
    return Authorizer(TokenStore(home), transport, policy, client_id=client_id, client_secret=secret)


@pytest.fixture
def ours(tmp_path: Path, portal: SimulatedPortal, app: App, transport: Transport) -> Authorizer:
    found = authorizer(tmp_path, portal.url, portal.oauth_url, app.client_id, app.client_secret, transport)
    pair = app.tokens()
    found.store.save(
        Installation(pair.access_token, pair.refresh_token, pair.expires, portal.rest_url, portal.oauth_url, "m", "app")
    )
    return found


def spent(portal: SimulatedPortal) -> int:
    return sum(grant.spent for grant in portal.core.tokens.refresh.values())


def test_a_refresh_replaces_the_pair_and_keeps_what_identifies_the_portal(
    ours: Authorizer, portal: SimulatedPortal
) -> None:
    before = ours.current()
    after = ours.refresh(before)
    assert (after.access_token, after.refresh_token) != (before.access_token, before.refresh_token)
    assert (after.client_endpoint, after.oauth_base) == (portal.rest_url, portal.oauth_url)
    assert (after.application_token, after.member_id) == ("app", portal.member_id)
    assert ours.store.current() == after
    assert ours.refresh(before) == after  # somebody else's newer pair is taken as it is
    assert spent(portal) == 1


def test_an_expired_pair_is_refreshed_before_it_is_used(ours: Authorizer, portal: SimulatedPortal) -> None:
    ours.store.save(replace(ours.store.current(), expires_at=1))  # type: ignore[type-var]  # something is stored
    found = ours.current()
    assert found.expires_at > 1 and spent(portal) == 1
    assert ours.current() == found


def _refresh_as_a_process(home: str, urls: list[str], client: list[str], threads: int, barrier: Any, out: Any) -> None:
    transport = Transport()
    ours = authorizer(Path(home), urls[0], urls[1], client[0], client[1], transport)
    stale = ours.store.current()
    assert stale is not None
    found: list[str] = []
    barrier.wait(20.0)
    runners = [threading.Thread(target=lambda: found.append(ours.refresh(stale).access_token)) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(20.0)
    transport.close()
    out.put(found)


def test_many_threads_of_many_processes_make_one_refresh_request(
    ours: Authorizer, portal: SimulatedPortal, app: App, tmp_path: Path
) -> None:
    context = get_context("spawn")
    out, barrier = context.Queue(), context.Barrier(3)
    arguments = (str(tmp_path), [portal.url, portal.oauth_url], [app.client_id, app.client_secret], 4, barrier, out)
    processes = [context.Process(target=_refresh_as_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    tokens = [token for _ in processes for token in out.get(timeout=30.0)]
    for process in processes:
        process.join(30.0)
    out.close()
    out.join_thread()
    assert len(tokens) == 12 and len(set(tokens)) == 1
    assert spent(portal) == 1
    current = ours.store.current()
    assert current is not None and current.access_token == tokens[0] and not current.dead


class Wire:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), 0

    def get(self, url: str, fields: dict[str, str]) -> Answer:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answer(200 if "error" not in (answer or {}) else 400, None, "", answer)


def offline(store: TokenStore, *answers: Any, **more: Any) -> tuple[Authorizer, Wire]:
    wire = Wire(*answers)
    given = {"client_id": "local.1", "client_secret": "secret", **more}
    return Authorizer(store, wire, HostPolicy(), **given), wire  # type: ignore[arg-type]  # a wire of these tests


@pytest.mark.parametrize(
    "code", ["invalid_grant", "invalid_client", "WRONG_CLIENT", "PAYMENT_REQUIRED", "NOT_INSTALLED"]
)
def test_a_refused_refresh_needs_a_person_and_is_not_repeated(store: TokenStore, code: str) -> None:
    store.save(FOUND)
    ours, wire = offline(store, {"error": code})
    with pytest.raises(NotAuthorized) as caught:
        ours.refresh(FOUND)
    assert caught.value.next_step
    for _ in range(3):
        with pytest.raises(NotAuthorized):
            ours.current()
    assert wire.asked == 1
    kept = store.current()
    assert kept is not None and kept.dead and kept.refresh_token == "refresh"


def test_a_dead_pair_is_tried_once_more_after_a_start(store: TokenStore) -> None:
    store.save(replace(FOUND, dead="why"))
    ours, _ = offline(store, {"access_token": "n", "refresh_token": "nr", "expires_in": "3600"})
    ours.forget_failure()
    assert ours.current() == FOUND


@pytest.mark.parametrize("answer", [None, [], "x", {}, PortalUnavailable("no answer"), {"error": "temporarily_down"}])
def test_an_authorization_server_in_trouble_leaves_the_pair_alive(store: TokenStore, answer: Any) -> None:
    store.save(FOUND)
    ours, _ = offline(store, answer)
    with pytest.raises(PortalUnavailable):
        ours.refresh(FOUND)
    assert store.current() == FOUND


def test_without_the_applications_secret_nothing_is_asked(store: TokenStore) -> None:
    store.save(FOUND)
    ours, wire = offline(store, {"access_token": "n"}, client_secret="")
    with pytest.raises(NotAuthorized) as caught:
        ours.refresh(FOUND)
    assert "CLIENT_SECRET" in f"{caught.value} {caught.value.next_step}" and wire.asked == 0


def test_the_domain_of_a_token_answer_is_never_the_portal(store: TokenStore) -> None:
    store.save(FOUND)
    answer = {"access_token": "n", "refresh_token": "nr", "domain": "oauth.bitrix24.tech", "expires_in": 3600}
    ours, _ = offline(store, {**answer, "client_endpoint": "https://evil.example/rest/"})
    assert ours.refresh(FOUND).client_endpoint == FOUND.client_endpoint


def test_an_uninstalled_application_has_no_token_to_refresh(store: TokenStore) -> None:
    store.save(replace(FOUND, access_token="", refresh_token="", uninstalled_at=5))
    ours, wire = offline(store, {"access_token": "n"})
    for attempt in (ours.current, lambda: ours.refresh(FOUND)):
        with pytest.raises(NotAuthorized):
            attempt()
    assert wire.asked == 0


def test_a_redirect_to_a_foreign_host_is_not_followed(store: TokenStore) -> None:
    store.save(FOUND)
    ours, _ = offline(store, {"access_token": "n", "refresh_token": "r", "client_endpoint": FOUND.client_endpoint})
    for location in ("https://evil.example/rest/", "http://acme.bitrix24.ru/rest/", "/rest/x", "", "https://[/"):
        with pytest.raises(PortalUnavailable):
            ours.moved(store.current() or FOUND, location)
    found = store.current()
    assert found is not None and found.client_endpoint == FOUND.client_endpoint


def test_a_renamed_portal_that_the_authorization_server_confirms_is_followed(store: TokenStore) -> None:
    store.save(FOUND)
    wire = Wire({"access_token": "n", "refresh_token": "r", "client_endpoint": "https://new.example/rest/"})
    policy = HostPolicy("https://acme.bitrix24.ru")
    ours = Authorizer(store, wire, policy, client_id="c", client_secret="s")  # type: ignore[arg-type]  # a wire of these tests
    found = ours.moved(FOUND, "https://new.example/rest/profile")
    assert (found.client_endpoint, found.access_token) == ("https://new.example/rest/", "n")
    assert ours.current() == found  # permitted because it is the permitted portal, renamed
