"""Lists are answered past Flask when they can be (web/list_shortcut): with and without it, every answer is the same.

A slash at the end of the address leads to the same list through Flask.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from python_bot.simulator import SimulatedPortal
from python_bot.web.api_tokens import ApiToken, hash_of, write_tokens
from tests.instance.tools import BEARER, adopt, client_message
from tests.support import Server
from tests.support.server import Answer

TRACE = "trace-of-the-test-0001"
COUNTED = ("X-RateLimit-Remaining", "X-RateLimit-Reset", "Date", "Connection")
GZIP = {"Accept_Encoding": "gzip"}
ONE_LINE = {"Authorization": "Bearer line-token"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Two dialogs on line 3; it calls nobody."""
    with SimulatedPortal() as portal:
        server = Server(portal)
        adopt(portal, server)
        (server.home / "DISABLED").touch()
        one_line = ApiToken("line 3", "read", "2026-01-01T00:00:00Z", hash_of("line-token"), "", 3)
        (server.home / "tokens.json").write_bytes(write_tokens([one_line]))
        with server:
            for i in range(40):
                assert server.post_event(client_message(810_000 + i, 1800 + i % 2, 400)).status == 200
            yield server


def seen(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    headers = {name.title(): value for name, value in answer.headers.items()}
    return answer.status, {k: v for k, v in sorted(headers.items()) if k not in map(str.title, COUNTED)}, answer.body


@pytest.mark.parametrize("path", ["/api/dialogs", "/api/messages", "/api/search"])
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", BEARER),
        ("limit=3", BEARER),
        ("limit=1&limit=2&q=%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7", BEARER),
        ("q=%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7", BEARER),
        ("q=hello", BEARER | GZIP),
        ("line_id=3", ONE_LINE),
        ("line_id=4", ONE_LINE),
        ("since=2020-01-01&until=2030-01-01T00:00:00%2B03:00", BEARER | GZIP),
        ("since=2020-01-01T00:00:00+03:00", BEARER),
        ("limit=0", BEARER),
        ("cursor=nonsense", BEARER),
        ("unknown=1&also=2", BEARER),
        ("q=%22", BEARER),
        ("q=%ff%fe", BEARER),
        ("", {}),
        ("token=line-token&q=hello", {}),
        ("", {"X_API_Token": "wrong"}),
        ("", BEARER | {"Accept_Encoding": "gzip;q=0, *"}),
    ],
)
def test_past_flask_and_through_it_an_answer_is_the_same(
    server: Server, path: str, query: str, headers: dict[str, str]
) -> None:
    past, through = (server.get(f"{path}{end}?{query}", X_Request_Id=TRACE, **headers) for end in ("", "/"))
    assert seen(past) == seen(through)


def test_a_request_counts_once_and_the_answer_can_be_asked_for_again(server: Server) -> None:
    answers = [server.get("/api/dialogs?limit=2", **BEARER) for _ in range(2)]
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    assert left[0] - left[1] in (1, 1 - int(answers[0].headers["X-RateLimit-Limit"]))  # or a new minute began
    again = server.get("/api/dialogs?limit=2", If_None_Match=answers[0].headers["ETag"], **BEARER)
    assert (again.status, again.body) == (304, b"")
