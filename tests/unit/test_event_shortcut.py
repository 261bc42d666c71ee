"""Past Flask the portal gets the same answers, and the door is asked once."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st

from python_bot.web import hooks
from python_bot.web.application import Application
from python_bot.web.door import MAX_BODY_BYTES, OK, Reply
from python_bot.web.event_shortcut import EventShortcut
from python_bot.web.inbound import Note, note_of

EVENT = b"event=ONIMBOTMESSAGEADD&data[PARAMS][MESSAGE]=%D0%94%D0%B0"
FORM = "application/x-www-form-urlencoded"


class Server:
    """`asked`: what the door was asked; `says`: its answer, or what it raises. `passed`: requests that Flask saw."""

    def __init__(self, *, past_flask: bool, says: Reply | Exception = OK) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self.says = says
        self.passed = 0
        app = Application(__name__)
        unused: Any = None
        app.register_blueprint(hooks.blueprint(self, unused, self, self._show))  # type: ignore[arg-type]  # only what is called

        def flask(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            self.passed += 1
            return app.wsgi_app(environ, start_response)

        self._app: Any = EventShortcut(flask, self) if past_flask else flask  # type: ignore[arg-type]  # only what is called

    def receive(self, body: bytes, query: bytes, trace_id: str, note: Note) -> Reply:
        self.asked.append((body, query))
        note.request_shape = "as the door saw it"
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def visit(self, opened: Any, address: str, found: Note) -> Reply:
        return Reply(200, "settings of a connector")

    def _show(self, reply: Reply) -> Response:
        return Response(reply.page, 200) if reply.page else hooks.shown("")(reply)

    def post(self, body: bytes, **changed: Any) -> tuple[str, dict[str, str], bytes, str]:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/python_bot/",
            "QUERY_STRING": "",
            "CONTENT_TYPE": FORM,
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "bots.example.ru",
            "SERVER_PORT": "443",
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "HTTP_X_REQUEST_ID": "0123456789abcdef",
        } | changed
        told: list[tuple[str, dict[str, str]]] = []
        content = self._app(environ, lambda line, headers, *_: told.append((line, dict(headers))))
        return (*told[0], b"".join(content), note_of(environ).request_shape)


REQUESTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "without the slash": {"PATH_INFO": "/python_bot"},
    "with a query": {"QUERY_STRING": "event=X&%D0%94=1"},
    "as JSON": {"CONTENT_TYPE": "application/json"},
    "of no type": {"CONTENT_TYPE": ""},
    "below": {"PATH_INFO": "/python_bot/else"},
    "elsewhere": {"PATH_INFO": "/python_botany"},
    "another verb": {"REQUEST_METHOD": "PUT"},
    "chunked": {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
    "of no length": {"CONTENT_LENGTH": ""},
    "of an odd length": {"CONTENT_LENGTH": "-5"},
    "of digits from elsewhere": {"CONTENT_LENGTH": "٥"},
    "of no end": {"CONTENT_LENGTH": "9" * 5000},
    "too long": {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)},
    "cut short": {"CONTENT_LENGTH": str(len(EVENT) + 1)},
    "a form of parts": {"CONTENT_TYPE": "Multipart/form-data; boundary=x"},
}
ANSWERS: dict[str, Reply | Exception] = {
    "ok": OK,
    "a page": Reply(200, "page"),
    "settings": Reply(200, opened="an administrator"),  # type: ignore[arg-type]  # whoever opened it
    "not stored": Reply(503),
    "a fault of ours": ZeroDivisionError("division by zero"),
}


@pytest.mark.parametrize("says", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("changed", REQUESTS.values(), ids=REQUESTS)
def test_the_answer_is_flasks_to_the_last_header(changed: dict[str, Any], says: Reply | Exception) -> None:
    logging.disable(logging.ERROR)
    found = []
    try:
        for past_flask in (True, False):
            server = Server(past_flask=past_flask, says=says)
            body = io.BytesIO(EVENT)  # each reads its own
            found.append((server.post(EVENT, **{"wsgi.input": body, **changed}), server.asked))
    finally:
        logging.disable(logging.NOTSET)
    assert found[0] == found[1]


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_whatever_comes_reaches_the_door_as_it_came(body: bytes, query: bytes) -> None:
    server = Server(past_flask=True)
    status, *_ = server.post(body, QUERY_STRING=query.decode("latin-1"))
    assert (status, server.asked, server.passed) == ("200 OK", [(body, query)], 0)


class Broken:
    """A connection that breaks while the body comes."""

    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")


def test_a_connection_that_breaks_is_told_as_flask_tells_it() -> None:
    server = Server(past_flask=True)
    status, _, body, _ = server.post(EVENT, **{"wsgi.input": Broken()})
    assert (status, server.asked) == ("400 BAD REQUEST", [])
    assert b'"bad_request"' in body
