"""One line of a diagnosis, without the words of any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final, Literal

from ..values import dataclass

# A does traffic reach us, B authorization, C chats, D a POST arrives, E the bot and its lines, F what is recorded,
# G why the portal is silent, H the messengers' accounts, M the machine.
Section = Literal["A", "B", "C", "D", "E", "F", "G", "H", "M"]
Repair = Literal["", "ensure", "units", "permissions", "refresh", "revive", "recover"]


class Level(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """`facts`: what was seen, for the texts of `code`. `repair`: what `--fix` does about it, '' for nothing.

    `because`: the code of the finding that explains this one.
    """

    section: Section
    level: Level
    code: str
    facts: Mapping[str, str] = field(default_factory=dict)
    repair: Repair = ""
    because: str = ""


def green(section: Section, code: str, /, **facts: object) -> Finding:
    return Finding(section, Level.GREEN, code, _texts(facts))


def yellow(section: Section, code: str, repair: Repair = "", /, **facts: object) -> Finding:
    return Finding(section, Level.YELLOW, code, _texts(facts), repair)


def red(section: Section, code: str, repair: Repair = "", /, **facts: object) -> Finding:
    return Finding(section, Level.RED, code, _texts(facts), repair)


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: listed(value) for name, value in facts.items()}


def listed(value: object) -> str:
    """('a', 'b') -> 'a, b'; nothing -> '-'."""
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(map(str, sorted(value) if isinstance(value, set | frozenset) else value)) or "-"
    return str(value) if value not in (None, "") else "-"


# What a cause brings with it by itself: with the cause mended, these are gone, so they are no findings of their own.
_DEAF: Final = ("round_trip_late", "silent_url_check", "silent_subscription", "silent_network", "silent_receiver")
_NO_WORK: Final = ("outbox_stuck", "outbox_buried", "completeness_gaps")
_NO_LINES: Final = ("connector_inactive", "connector_refused")
_NO_APP: Final = (
    "port_dead",
    "not_ready",
    "nginx_astray",
    "public_astray",
    "public_blocked",
    "channel_hook_failing",
    *_DEAF,
    *_NO_WORK,
)
_NO_START: Final = ("unit_failed", "unit_loop", *_NO_APP)
_NO_NGINX: Final = ("nginx_astray", "public_astray", "public_blocked", "channel_hook_failing", *_DEAF)
_NO_CALLS: Final = ("handler_missing", *_NO_LINES, *_DEAF, *_NO_WORK)

# In the order in which a person should mend them: the first that was found is the root.
CAUSES: Final[dict[str, tuple[str, ...]]] = {
    "interrupted": (),
    "settings_wrong": _NO_START,
    "disk_full": _NO_START,
    "permissions": ("python_missing", *_NO_START),
    "python_missing": _NO_START,
    "database_damaged": _NO_START,
    "database_set_aside": (),
    "app_off": _NO_APP,
    "unit_loop": ("unit_failed", *_NO_APP),
    "unit_failed": _NO_APP,
    "port_dead": _NO_APP[1:],
    "not_ready": _NO_WORK,
    "nginx_broken": ("nginx_down", "nginx_unlinked", *_NO_NGINX),
    "nginx_down": _NO_NGINX,
    "nginx_unlinked": _NO_NGINX,
    "nginx_astray": ("public_astray", *_DEAF),
    "dns_missing": ("channel_hook_failing", "public_blocked", "public_astray", *_DEAF),
    "dns_elsewhere": ("channel_hook_failing", "public_blocked", "public_astray", "tls_untrusted", *_DEAF),
    "public_blocked": ("channel_hook_failing", *_DEAF),
    "public_astray": ("channel_hook_failing", *_DEAF),
    "method_refused": _DEAF,
    "clock_wrong": (
        "tls_untrusted",
        "channel_failing",
        "tokens_dead",
        "portal_unreachable",
        "oauth_unreachable",
        *_NO_CALLS,
    ),
    "portal_unreachable": ("oauth_unreachable", *_NO_CALLS),
    "not_installed": _NO_CALLS,
    "uninstalled": _NO_CALLS,
    "installer_dismissed": _NO_CALLS,
    "secret_wrong": ("tokens_dead", *_NO_CALLS),
    "oauth_unreachable": _NO_CALLS,
    "tokens_dead": _NO_CALLS,
    "token_expired": _NO_CALLS,
    "scope_missing": (
        *_NO_LINES,
        "bot_missing",
        "line_detached",
        "line_fields",
        "handler_missing",
        "portal_refused",
        *_NO_WORK,
    ),
    "handler_foreign": ("handler_missing", *_DEAF),
    "bot_missing": ("handler_missing", "line_detached", "line_fields", "line_other_bot", *_NO_WORK),
    "handler_missing": _DEAF,
    "line_detached": (),
    "line_fields": (),
    "disabled": _NO_WORK,
    "channel_failing": (),
    "connector_inactive": _NO_WORK,
    "outbox_stuck": ("completeness_gaps",),
}
