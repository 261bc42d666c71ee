"""Nobody is left in what was anonymised, however they were written; what was talked about stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.errors import B24BotError
from python_bot.export import names
from python_bot.export.anonymise import TextMask, cast_of
from python_bot.export.key import FILE_NAME, read_key
from python_bot.export.pseudonyms import Pseudonyms
from python_bot.export.traces import is_inn, is_snils, luhn

MASK = TextMask(Pseudonyms(b"k" * 32), frozenset(names.known_forms(["Зульфира Гайнутдинова"])))
CAST = cast_of([(744, "Анна Смирнова"), (27, "Пётр Сидоров"), (28, "Аркадий Щукин")])
PSEUDONYM = re.compile(r"(?:Участник|Имя|телефон|карта|документ|номер|почта|ссылка|ник)-[2-9B-DF-HJ-NP-TV-XZ]{8}")


def masked(text: str) -> str:
    return MASK.text(text, CAST)


def bare(text: str) -> str:
    """Without pseudonyms: what is left of the person's own words."""
    return PSEUDONYM.sub("", text)


FRAMES = [
    "{}",
    "Здравствуйте, {}!",
    "Передайте {} , что заказ 12345 готов",
    "ну {} и всё",
    "({})",
    "Это\n{}\nон",
    "а {}?",
]
frames = st.sampled_from(FRAMES)
TAKING_PART = [
    "Анна", "Анне", "Анной", "Смирнова", "Смирновой", "Смирнову", "Анна Смирнова", "Смирновой Анне",
    "Пётр", "Петр", "Петру", "Петром", "Сидорова", "Сидоровым", "Пётр Сидоров", "Щукин", "Щукину", "Аркадию",
    "Anna", "Smirnova", "Petr", "Pyotr", "Sidorov", "Sidorova", "Arkadiy", "Shchukin",
]  # fmt: skip
cases = st.sampled_from([str, str.lower, str.upper, str.capitalize, lambda s: s.replace("е", "ё").replace("Е", "Ё")])
spacings = st.sampled_from([str, lambda s: s.replace(" ", "  "), lambda s: s.replace(" ", "\n"), " ".join])


@given(frames, st.sampled_from(TAKING_PART), cases, spacings)
def test_nobody_who_takes_part_is_named(frame: str, name: str, case: object, spacing: object) -> None:
    written = spacing(case(name))  # type: ignore[operator]  # one of the functions above
    left = names.spelt(bare(masked(frame.format(written))))
    for word in re.findall(r"\w{3,}", names.spelt(name)):
        assert word not in left.replace(" ", ""), (written, left)


@given(
    frames,
    st.sampled_from(
        ["Ольга", "Ольге", "Сергей", "Сергею", "Наташа", "Наташе", "Дмитрия", "Ксюша", "Равиля", "Tatyana", "Aleksey"]
    ),
    st.sampled_from(["", " Викторовна", " Петровичу", " Кузнецова", " Гайнутдинова"]),
    cases,
)
def test_names_that_many_have_are_known_in_every_case(frame: str, name: str, more: str, case: object) -> None:
    written = case(name + more)  # type: ignore[operator]  # one of the functions above
    left = names.spelt(bare(masked(frame.format(written))))
    for word in (names.spelt(name + more)).split():
        assert word not in left, (written, left)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Меня зовут Фарангис Одинаева", ("Фарангис", "Одинаева")),
        ("меня зовут фарангис", ("фарангис",)),
        ("ФИО: Одинаева Фарангис Рустамовна", ("Одинаева", "Фарангис", "Рустамовна")),
        ("Спасибо, Фарангис!", ("Фарангис",)),
        ("Здравствуйте, Фарангис. Подскажите цену", ("Фарангис",)),
        ("Фарангис, добрый день", ("Фарангис",)),
        ("Иванов И.И. и И. И. Петровский", ("Иванов", "И.И", "И. И", "Петровский")),
        ("с уважением, Хусаинов", ("Хусаинов",)),
        ("My name is Farangis", ("Farangis",)),
        ("Гайнутдиновой перезвоните", ("Гайнутдиновой",)),
        ("А\u0301нна и А\u200bн\u00adна, Aннa", ("нн",)),
    ],
)
def test_whoever_is_introduced_or_greeted_is_not_named(text: str, gone: tuple[str, ...]) -> None:
    left = bare(masked(text))
    assert not [word for word in gone if word in left], left


@pytest.mark.parametrize(
    "text",
    [
        "Добрый день, подскажите, сколько стоит доставка в Москву?",
        "Заказ 1234567 от 12.05.2026 14:30 на 15 000 руб., скидка 10%",
        "Итого 1 250 000,50 ₽ за 3 шт., оплата до 5 мая 2026",
        "Любой цвет подойдёт, на уровне основной двери. Ради бога!",
        "Трек 80082612345678, заказ № 1234567890",
        "2026-07-29T11:00:00Z в 10:30",
        "Роман в стихах и любовь к теме света",
        "НУЖЕН МАГАЗИН С ДОСТАВКОЙ",
        "Хорошо, Спасибо! Сейчас Посмотрю",
        "Здравствуйте! Где мой заказ? Русский магазин",
    ],
)
def test_what_was_talked_about_stays(text: str) -> None:
    assert masked(text) == text


digits = st.text("0123456789", min_size=9, max_size=9)


def spread(number: str, groups: list[int], between: str) -> str:
    parts, at = [], 0
    for size in groups:
        parts.append(number[at : at + size])
        at += size
    return between.join(part for part in [*parts, number[at:]] if part)


@given(
    frames,
    digits,
    st.sampled_from(["+79", "89", "79", "8 9", "+7(9", "8-9"]),
    st.sampled_from([" ", "-", "", ".", ") "]),
)
def test_no_telephone_number_survives(frame: str, rest: str, start: str, between: str) -> None:
    number = start + spread(rest, [2, 3, 2], between)
    assert not re.search(r"\d{2}", bare(masked(frame.format(number))).replace("12345", "")), number


@given(frames, st.text("0123456789", min_size=15, max_size=15), st.sampled_from(["", " ", "-", "  ", "."]))
def test_no_card_number_survives(frame: str, start: str, between: str) -> None:
    number = next(start + last for last in "0123456789" if luhn(start + last))
    left = bare(masked(frame.format(spread(number, [4, 4, 4], between))))
    assert not re.search(r"\d{2}", left.replace("12345", "")), left


@given(
    frames,
    st.sampled_from(["ivan", "a.petrova-2", "farangis_88", "иван"]),
    st.sampled_from(["@", " @ ", "(at)", "[at]", " собака "]),
    st.sampled_from(["mail.ru", "yandex.ru", "sub.example.com", "почта.рф"]),
    cases,
)
def test_no_e_mail_survives(frame: str, name: str, at: str, host: str, case: object) -> None:
    written = case(name + at + host)  # type: ignore[operator]  # one of the functions above
    left = bare(masked(frame.format(written))).lower()
    assert name not in left and host.split(".")[-2] not in left


LINKS = [
    "https://vk.com/id777", "http://a.ru/анна?x=1", "www.shop.ru/x", "t.me/farangis", "wa.me/79991234567",
    "пример.рф/путь",
    "https://acme.bitrix24.ru/crm/deal/details/77/", "HTTPS://VK.COM/ID777",
]  # fmt: skip


@given(frames, st.sampled_from(LINKS))
def test_no_link_survives(frame: str, link: str) -> None:
    left = bare(masked(frame.format(link))).lower()
    assert not [part for part in re.split(r"\W+", link.lower()) if len(part) > 3 and part in left], left


@pytest.mark.parametrize(
    "text",
    [
        "паспорт 4509 123456", "Серия 45 09 номер 123456", "СНИЛС 112-233-445 95", "инн 7707083893", "500100732259",
        "пишите @farangis_88", "тг: farangis_88", "мой скайп farangis.odi", "тел. 22-33-44", "123-45-67",
    ],
)  # fmt: skip
def test_no_document_and_no_nickname_survives(text: str) -> None:
    left = bare(masked(text))
    assert not re.search(r"\d\d|farangis", left), left


def test_checksums_of_documents() -> None:
    assert is_inn("7707083893") and is_inn("500100732259") and not is_inn("7707083894")
    assert is_snils("11223344595") and not is_snils("11223344596")
    assert luhn("4111111111111111") and not luhn("4111111111111112")


def test_the_same_is_the_same_and_another_key_makes_another() -> None:
    other = TextMask(Pseudonyms(b"x" * 32))
    one = masked("Звоните Анне на 8 (999) 123-45-67")
    assert masked("анна смирнова: +79991234567").split(": ") == [one.split()[1], one.split()[-1]]
    assert MASK.person(744) == one.split()[1] != other.person(744)
    assert masked("Меня зовут Наталья Кузнецова")[11:] == masked("звонила Кузнецовой Наталье")[8:]
    assert MASK.person(0) == ""


@given(st.text(max_size=200))
def test_any_text_can_be_masked_and_keeps_its_lines(text: str) -> None:
    found = masked(text)
    assert masked(text) == found
    assert abs(found.count("\n") - text.count("\n")) <= text.count("\n")


def test_conversations_keep_their_length_about() -> None:
    text = (
        "Здравствуйте, Анна Петровна! Ваш заказ 12345 на 15 000 руб. привезут завтра, телефон курьера 8 999 123-45-67."
    )
    assert 0.7 < len(masked(text)) / len(text) < 1.4
    assert masked(text).split("!")[1].split(",")[0] == text.split("!")[1].split(",")[0]


def test_the_name_of_a_file_keeps_its_type_only() -> None:
    assert re.fullmatch(r"файл-\w{8}\.jpg", MASK.file_name("Паспорт Смирнова.JPG"))
    assert re.fullmatch(r"файл-\w{8}", MASK.file_name("Анна Смирнова"))


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = read_key(tmp_path)
    assert len(key) == 32 and read_key(tmp_path) == key
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [(FILE_NAME, 0o600)]
    (tmp_path / FILE_NAME).write_bytes(b"short")
    with pytest.raises(B24BotError, match="damaged"):
        read_key(tmp_path)
