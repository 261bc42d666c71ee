"""Text that looks like conversations with a shop: words in their forms, a few frequent, most of them rare (Zipf)."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Final

_STEMS: Final = [
    "достав",
    "заказ",
    "оплат",
    "товар",
    "адрес",
    "номер",
    "скидк",
    "вопрос",
    "курьер",
    "возврат",
    "магазин",
    "посыл",
    "телефон",
    "размер",
    "цвет",
    "гаранти",
    "чек",
    "склад",
    "упаков",
    "карт",
    "деньг",
    "подарок",
    "срок",
    "город",
    "улиц",
    "квартир",
    "менеджер",
    "сайт",
    "корзин",
    "наличи",
    "цен",
    "договор",
    "счет",
    "письм",
]
_ENDINGS: Final = ("", "а", "у", "ы", "е", "ой", "ов", "ам", "ами", "ах", "ка", "ку", "ки", "ке", "ный", "ного")
_FREQUENT: Final = [
    "и",
    "в",
    "не",
    "на",
    "что",
    "как",
    "я",
    "мне",
    "вы",
    "с",
    "по",
    "за",
    "есть",
    "это",
    "да",
    "нет",
    "можно",
    "добрый",
    "день",
    "здравствуйте",
    "спасибо",
    "когда",
]
_SYLLABLES: Final = [
    "ба",
    "ве",
    "гор",
    "дли",
    "жа",
    "зем",
    "ко",
    "лит",
    "мар",
    "нюх",
    "оп",
    "пра",
    "рос",
    "сто",
    "тур",
    "уч",
    "фон",
    "хлеб",
    "чер",
    "шум",
]
RARE: Final = 20_000


def vocabulary(rng: random.Random) -> list[str]:
    """The most frequent first."""
    common = [stem + ending for stem in _STEMS for ending in _ENDINGS]
    rng.shuffle(common)
    rare = {"".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4))) for _ in range(RARE)}
    return [*_FREQUENT, *common, *sorted(rare)]


class Speaker:
    """Says messages of 3 to 14 words."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.words = vocabulary(rng)
        self._weights = list(accumulate(1.0 / rank for rank in range(3, len(self.words) + 3)))

    def says(self) -> str:
        return " ".join(self._rng.choices(self.words, cum_weights=self._weights, k=self._rng.randint(3, 14)))
