from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.attachments.naming import BINARY, MAX_NAME_BYTES, content_type, safe_name

ANY_NAME = st.text(st.characters(), max_size=300) | st.text("a./\\\u202e\u200d\x00\n\"';%", max_size=40)


@given(ANY_NAME)
def test_a_safe_name_is_one_short_visible_part_of_a_path(name: str) -> None:
    safe = safe_name(name)
    assert safe not in ("", ".", "..") and not safe.startswith(".")
    assert not set(safe) & set('/\\"<>|:*?\r\n\0')
    assert len(safe.encode()) <= MAX_NAME_BYTES
    assert all(c == "\u200d" or unicodedata.category(c)[0] != "C" for c in safe)


@given(ANY_NAME)
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@given(ANY_NAME)
def test_only_what_runs_nothing_has_a_type_of_its_own(name: str) -> None:
    assert content_type(name).split("/")[0] in ("image", "audio", "video") or content_type(name) in (
        BINARY,
        "application/pdf",
    )
    assert "svg" not in content_type(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("чек.JPG", "image/jpeg"),
        ("договор.pdf", "application/pdf"),
        ("голос.ogg", "audio/ogg"),
        ("a.svg", BINARY),
        ("a.svgz", BINARY),
        ("a.html", BINARY),
        ("a.jpg.html", BINARY),
        ("html", BINARY),
        (".png", BINARY),
        ("a.png\u202e", "image/png"),
        ("a.png/../b.html", BINARY),
        ("", BINARY),
    ],
)
def test_the_type_follows_the_last_extension(name: str, kind: str) -> None:
    assert content_type(name) == kind


def test_a_long_name_keeps_its_extension_and_whole_characters() -> None:
    assert safe_name("я" * 300 + ".pdf") == "я" * 98 + ".pdf"
    assert safe_name("x." + "я" * 300) == "x." + "я" * 99
