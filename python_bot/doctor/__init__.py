"""The doctor: facts are gathered, pure checks turn them into findings, and the report names the root cause first."""

from .findings import Finding, Level
from .report import Report

__all__ = ["Finding", "Level", "Report"]
