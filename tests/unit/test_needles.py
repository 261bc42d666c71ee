"""A word is found however it lies on the disk."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.erasure.home import Hit, blank_log_lines, search
from python_bot.erasure.needles import Matcher, forms

WORD = 'Анна Смирнова "ООО"\n+7 495'
WAYS = {
    "utf-8": WORD.encode(),
    "utf-16": WORD.encode("utf-16-le"),
    "utf-16, the other way round": WORD.encode("utf-16-be"),
    "json": json.dumps(WORD)[1:-1].encode(),
    "json in UTF-8": json.dumps(WORD, ensure_ascii=False)[1:-1].encode(),
    "form": quote_plus(WORD).encode(),
    "form in small letters": quote_plus(WORD).lower().replace("ООО".lower(), "ООО").encode(),
    "address": quote(WORD, safe="").encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_is_found(way: str) -> None:
    matcher = Matcher([WORD, "другое слово"])
    data = b"\x00\xff" * 50 + WAYS[way] + b"%D0"
    assert matcher.words_in(data) == {WORD}
    assert matcher.words_packed_in(b"xx" + zlib.compress(data) + b"yy") == {WORD}
    assert matcher.words_packed_in(b"xx" + gzip.compress(data)) == {WORD}


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8), st.data())
def test_whatever_the_words_one_of_them_is_found_where_one_stands(words: list[str], data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(words))
    form = data.draw(st.sampled_from(sorted(forms(word))))
    before, after = data.draw(st.binary(max_size=20)), data.draw(st.binary(max_size=20))
    assert Matcher(words).words_in(before + form + after)


@given(st.lists(st.text(alphabet="абв", min_size=2, max_size=5), min_size=1, max_size=8), st.text(alphabet="абвг"))
def test_nothing_is_found_where_none_stands(words: list[str], text: str) -> None:
    found = Matcher(words).words_in(text.encode())
    assert found <= {word for word in words if word in text}
    assert bool(found) == any(word in text for word in words)


def test_no_words_are_nowhere() -> None:
    assert Matcher([]).words_in(b"anything") == set()
    assert Matcher([]).words_packed_in(zlib.compress(b"anything")) == set()


def test_a_stream_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    packed = zlib.compress((WORD + "".join(chr(0x4E00 + i * 7 % 5000) for i in range(9000))).encode())
    assert Matcher([WORD]).words_packed_in(packed[: len(packed) // 2] + b"\x00" * 100) == {WORD}


def test_the_whole_home_is_searched_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(WAYS["utf-8"])
    home = tmp_path / "home"
    (home / "files" / "ab").mkdir(parents=True)
    (home / "files" / "ab" / "content").write_bytes(b"x" * (4 * 1024 * 1024 - 5) + WAYS["utf-8"])  # over a border
    (home / "dump.gz").write_bytes(gzip.compress(WAYS["json"]))
    (home / "Смирнова.txt").write_bytes(b"")
    (home / "link").symlink_to(outside)
    (home / "clean").write_bytes(b"nothing")
    looked: list[int] = []
    hits = search(home, Matcher([WORD, "Смирнова.txt"]), looked.append)
    assert hits == [Hit("dump.gz", WORD), Hit("files/ab/content", WORD), Hit("Смирнова.txt", "Смирнова.txt")]
    assert len(looked) == 4


def test_log_lines_are_made_empty_in_place_while_they_are_written(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    lines = ['{"message": "о чём-то другом"}\n', '{"message": "написала Смирнова, снова"}\n', '{"message": "конец"}\n']
    log.write_text("".join(lines), encoding="utf-8")
    (tmp_path / "bot.log.2.gz").write_bytes(gzip.compress("".join(lines).encode()))
    (tmp_path / "notes.txt").write_text("Смирнова", encoding="utf-8")
    inode, size = log.stat().st_ino, log.stat().st_size
    matcher = Matcher(["Смирнова"])
    with log.open("a", encoding="utf-8") as writer:
        assert blank_log_lines(tmp_path, lambda line: bool(matcher.words_in(line))) == 2
        assert (log.stat().st_ino, log.stat().st_size) == (inode, size)
        writer.write('{"message": "дальше"}\n')
    found = [json.loads(line)["message"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert found == ["о чём-то другом", "erased", "конец", "дальше"]
    assert gzip.decompress((tmp_path / "bot.log.2.gz").read_bytes()).decode() == lines[0] + lines[2]
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "Смирнова"
