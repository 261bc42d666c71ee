"""What the team answers, as Avito takes it: plain text in pieces, pictures one by one, the rest refused."""

from __future__ import annotations

import pytest

from python_bot.channels.avito.outbound import cut, parts, plain
from python_bot.channels.base import Outgoing, OutgoingFile

PHOTO = OutgoingFile("фото.jpg", "image/jpeg", 1000, "https://portal/f")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def answer(text: str = "", *files: OutgoingFile) -> list[tuple[str, str]]:
    made = parts(Outgoing("k", "av:c", text, files))
    assert [part.number for part in made] == list(range(len(made)))
    return [(part.kind, part.text) for part in made]


def test_pictures_go_before_the_words() -> None:
    assert answer("Вот", PHOTO, PHOTO) == [("image", ""), ("image", ""), ("text", "Вот")]


def test_what_avito_does_not_take_is_refused_with_a_reason_after_the_rest_went() -> None:
    made = answer("Смета", OutgoingFile("смета.pdf", "application/pdf", 10, "x"), PHOTO)
    assert [kind for kind, _ in made] == ["image", "text", "refused"]
    assert made[2][1].startswith("«смета.pdf» не отправлен: Avito принимает только изображения JPEG")


def test_a_picture_that_is_too_large_is_refused() -> None:
    assert "24 МБ" in answer("", OutgoingFile("a.png", "image/png", 25 * 1024 * 1024, "x"))[0][1]


@pytest.mark.parametrize(
    ("name", "media", "kind"),
    [("a.JPG", "image", "image"), ("a.webp", "image/webp", "refused"), ("a.png", "", "image"), ("a.mp4", "", "refused"),
     ("a.png", "application/pdf", "refused")],
)  # fmt: skip
def test_the_type_decides_and_the_name_where_the_type_says_little(name: str, media: str, kind: str) -> None:
    assert answer("", OutgoingFile(name, media, 1, "x"))[0][0] == kind


@pytest.mark.parametrize("text", ["", " \n ", "[b] [/b]"])
def test_nothing_to_say_is_nothing_to_send(text: str) -> None:
    assert answer(text) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("[b]Иван:[/b][br]да, [i]есть[/i]", "Иван:\nда, есть"),
        ("[url=https://a.ru/x]сайт[/url]", "сайт (https://a.ru/x)"),
        ("[url]https://a.ru/x[/url]", "https://a.ru/x"),
        ("[url=javascript:alert(1)]сюда[/url]", "сюда"),
        (">>торг?\nда", "> торг?\nда"),
        ("a [code][b]x[/b][/code] 5 < 6 & 7", "a [b]x[/b] 5 < 6 & 7"),
    ],
)
def test_markup_becomes_plain_text(code: str, text: str) -> None:
    assert plain(code) == text


@pytest.mark.parametrize("text", ["слово " * 400, "я" * 2500, "😀" * 1200, "a\n" * 900, "x" * 999 + " " + "y" * 999])
def test_a_long_text_is_cut_into_pieces_that_fit_and_say_everything(text: str) -> None:
    pieces = list(cut(text))
    assert all(0 < units(piece) <= 1000 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_cut_falls_between_words() -> None:
    assert all(piece.startswith("слово") and piece.endswith("слово") for piece in cut("слово " * 400))


def test_exactly_the_limit_is_one_message_and_one_more_are_two() -> None:
    assert (len(list(cut("я" * 1000))), len(list(cut("я" * 1001)))) == (1, 2)
