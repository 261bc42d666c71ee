"""Sending to a client that takes nothing ends after a while, and the next request is served as before."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from flask import Flask

from python_bot.export import Export
from python_bot.web.api import export as export_api
from python_bot.web.api.export import STALLED_S, read_wish


def test_a_stalled_connection_times_out_and_its_timeout_is_put_back() -> None:
    ended: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs, Flask("x").test_request_context("/api/export", environ_base={"gunicorn.socket": ours}):
        export = Export("jsonl", iter([b"{}\n"]), close=lambda: ended.append("file"))
        response = export_api._streamed(export, lambda: ended.append("place"), "archive.jsonl")
        assert ours.gettimeout() == STALLED_S
        response.close()
        assert ours.gettimeout() is None and ended == ["file", "place"]


@pytest.mark.parametrize("took", ["closed", "open"])
def test_a_connection_that_is_gone_is_let_go(took: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Flask("x").test_request_context("/api/export", environ_base={"gunicorn.socket": ours}):
        ended: list[str] = []
        response = export_api._streamed(Export("jsonl", iter(())), lambda: ended.append("place"), "archive.jsonl")
        if took == "closed":
            ours.close()
        response.close()
        assert ended == ["place"]


def test_an_offset_without_a_date_is_the_zone_of_the_times() -> None:
    wish = read_wish({"format": "csv", "tz_offset": "5.5"}, None)
    assert wish.zone.utcoffset(None) == timedelta(hours=5, minutes=30) and wish.wanted.since is None
    wish = read_wish({"format": "html", "tz_offset": "3", "date": "2026-07-29"}, None)
    assert wish.zone.utcoffset(None) == timedelta(hours=3) and wish.wanted.since == 1785272400
