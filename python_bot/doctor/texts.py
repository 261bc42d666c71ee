"""Findings in words: what was seen, what it means, what to do next."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from .findings import Finding
from .texts_en import ENGLISH
from .texts_ru import RUSSIAN

Language = Literal["ru", "en"]


class Words(NamedTuple):
    """`next_step`: '' when there is nothing to do."""

    evidence: str
    meaning: str
    next_step: str


TEXTS: Final = {"en": ENGLISH, "ru": RUSSIAN}


def words(finding: Finding, language: Language, instance: str = "") -> Words:
    """`instance`: whose name stands in the commands."""
    said = (part.format(**finding.facts) for part in TEXTS[language][finding.code])
    return Words(*(part.replace("INSTANCE", instance or "INSTANCE") for part in said))
