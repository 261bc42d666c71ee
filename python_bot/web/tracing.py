"""The trace of a request: what it causes carries it on, into jobs, calls and both journals."""

from __future__ import annotations

from .inbound import note


def trace_id() -> str:
    return note().trace_id
