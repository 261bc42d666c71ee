"""Findings in the order in which they are to be read: the root cause first, its consequences behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ..values import dataclass
from .findings import CAUSES, Finding, Level
from .texts import Language, words

_SEVERITY: Final = {Level.RED: 0, Level.YELLOW: 1, Level.GREEN: 2}
_RANK: Final = {code: rank for rank, code in enumerate(CAUSES)}


@dataclass(frozen=True, slots=True)
class Report:
    """`subject`: the instance, or '' for the machine. `findings`: as `ranked` orders them."""

    subject: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def level(self) -> Level:
        own = [finding.level for finding in self.findings if not finding.because]
        return min(own, key=_SEVERITY.__getitem__, default=Level.GREEN)

    @property
    def problems(self) -> list[Finding]:
        """What is not as it should be and not explained by something else; the root cause first."""
        return [finding for finding in self.findings if finding.level is not Level.GREEN and not finding.because]

    def as_json(self, language: Language) -> dict[str, Any]:
        return {
            "subject": self.subject or None,
            "level": self.level,
            "root_cause": self.problems[0].code if self.problems else None,
            "seconds": round(self.seconds, 2),
            "findings": [_row(finding, language, self.subject) for finding in self.findings],
        }


def report(subject: str, findings: Iterable[Finding], seconds: float) -> Report:
    return Report(subject, tuple(ranked(list(findings))), seconds)


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Red before yellow before green, root causes in the order of CAUSES; a consequence names what explains it."""
    present = {finding.code for finding in findings if finding.level is not Level.GREEN}
    explained: dict[str, str] = {}
    for cause, consequences in CAUSES.items():
        if cause in present and cause not in explained:
            for code in consequences:
                explained.setdefault(code, cause)
    marked = [
        replace(finding, because=explained.get(finding.code, "")) if finding.level is not Level.GREEN else finding
        for finding in findings
    ]
    return sorted(marked, key=_place)


def _place(finding: Finding) -> tuple[bool, int, int, str]:
    return (
        bool(finding.because),
        _SEVERITY[finding.level],
        _RANK.get(finding.code, len(_RANK)),
        finding.section,
    )


def _row(finding: Finding, language: Language, subject: str) -> dict[str, Any]:
    said = words(finding, language, subject)
    return {
        "section": finding.section,
        "level": finding.level,
        "code": finding.code,
        "evidence": said.evidence,
        "meaning": said.meaning,
        "next_step": said.next_step or None,
        "fixable": bool(finding.repair),
        "because": finding.because or None,
        "facts": dict(finding.facts),
    }
