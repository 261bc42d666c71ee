"""Sections B, D, E and G: authorization, the way in, the bot and its lines, and why nothing comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..bitrix.ensure import wanted_fields
from .facts import Facts, LineSettings
from .findings import Finding, Level, green, red, yellow

# What each permission of the application is for, the indispensable ones first.
NEEDED_SCOPES: Final = ("imbot", "imopenlines", "im")
USEFUL_SCOPES: Final = ("disk",)
CLOCK_LIMIT_S: Final = 180.0
CLOCK_NOTICE_S: Final = 30.0
RECENT_S: Final = 86_400
FRESH_EVENT_S: Final = 600


def tokens(facts: Facts) -> Iterator[Finding]:
    portal = facts.portal
    match portal.token:
        case "works":
            minutes = round((portal.token_left_s or 0) / 60)
            if portal.renewed:
                yield green("B", "token_renewed")
            else:
                yield green("B", "token_ok", minutes=max(0, minutes))
            if not portal.renewable:
                yield yellow("B", "token_unrenewable")
            elif portal.client_refusal == "":
                yield green("B", "renewal_ok")
        case "none":
            yield red("B", "not_installed", url=facts.subject.wish.public_url)
        case "uninstalled":
            yield red("B", "uninstalled")
        case "dismissed":
            yield red("B", "installer_dismissed", problem=portal.problem)
        case "expired":
            yield red("B", "token_expired", problem=portal.problem)
        case "dead":
            yield red("B", "tokens_dead", "refresh", problem=portal.problem)
        case "busy":
            yield yellow("B", "portal_busy", problem=portal.problem)
        case "unreachable":
            yield red("B", "portal_unreachable", problem=portal.problem)


def renewal(facts: Facts) -> Iterator[Finding]:
    """A token lasts an hour: what would keep it from being renewed is a fault before it is felt."""
    portal = facts.portal
    minutes = max(0, round((portal.token_left_s or 0) / 60))
    if portal.client_refusal:
        yield red("B", "secret_wrong", code=portal.client_refusal, minutes=minutes)
    elif portal.oauth_problem:
        yield red("B", "oauth_unreachable", problem=portal.oauth_problem, minutes=minutes)


def rights(facts: Facts) -> Iterator[Finding]:
    """What the application may do, and what the person who installed it may do."""
    portal = facts.portal
    if portal.scopes is not None:
        missing = [scope for scope in NEEDED_SCOPES if scope not in portal.scopes]
        less = [scope for scope in USEFUL_SCOPES if scope not in portal.scopes]
        if missing:
            yield red("B", "scope_missing", missing=missing, granted=portal.scopes)
        elif less:
            yield yellow("B", "scope_useful", missing=less, granted=portal.scopes)
        else:
            yield green("B", "scope_ok", granted=portal.scopes)
    if portal.admin is False:
        yield yellow("B", "installer_plain", user=portal.user_id)
    elif portal.admin:
        yield green("B", "installer_ok", user=portal.user_id)
    refused = {method: code for method, code in portal.refusals.items() if code != "insufficient_scope"}
    if refused:
        yield yellow("B", "portal_refused", refusals=[f"{method}: {code}" for method, code in refused.items()])


def clock(facts: Facts) -> Iterator[Finding]:
    ahead = facts.portal.clock_ahead_s
    if ahead is None:
        return
    if abs(ahead) >= CLOCK_LIMIT_S:
        yield red("M", "clock_wrong", seconds=round(abs(ahead)), direction="+" if ahead > 0 else "-")
    elif abs(ahead) >= CLOCK_NOTICE_S:
        yield yellow("M", "clock_drifts", seconds=round(ahead))
    else:
        yield green("M", "clock_ok", seconds=round(abs(ahead), 1))


def bot(facts: Facts) -> Iterator[Finding]:
    """Is it there, is it the same."""
    found, archive, code = facts.portal.bots, facts.archive, facts.subject.wish.bot_code
    if found is None:
        return
    ours = [bot_id for bot_id, its in found if its == code or its.startswith(f"{code}_") or bot_id == archive.bot_id]
    if not ours:
        yield red("E", "bot_missing", "ensure", bot_id=archive.bot_id or None, code=code)
        return
    changes = archive.bot_ids[1:]
    if changes and facts.now - changes[-1][1] < RECENT_S:
        yield yellow("E", "bot_changed", former=archive.bot_ids[-2][0], bot_id=ours[0], times=len(changes))
    else:
        yield green("E", "bot_ok", bot_id=ours[0], changes=len(changes))
    if len(ours) > 1:
        yield yellow("E", "bot_doubled", bot_ids=ours)


def lines(facts: Facts) -> Iterator[Finding]:
    """Every line that the settings name serves our bot, with all five fields."""
    portal, wish = facts.portal, facts.subject.wish
    if portal.lines is None or not facts.archive.bot_id:
        return
    bot_id = facts.archive.bot_id
    wrong = False
    for line in portal.lines:
        if not wish.lines.all and line.line_id not in wish.lines.ids:
            continue
        problem = _of_line(line, bot_id, named=not wish.lines.all)
        wrong = wrong or problem is not None
        if problem is not None:
            yield problem
    present = {line.line_id for line in portal.lines}
    for line_id in wish.lines.ids:
        if line_id not in present:
            wrong = True
            yield red("E", "line_gone", line=line_id)
    served = [line.line_id for line in portal.lines if line.fields.get("WELCOME_BOT_ID") == str(bot_id)]
    if not served and not wrong:
        yield yellow("E", "no_lines", setting="none")
    elif not wrong:
        yield green("E", "lines_ok", lines=served)


def _of_line(line: LineSettings, bot_id: int, *, named: bool) -> Finding | None:
    wanted = wanted_fields(bot_id)
    is_on = line.fields.get("WELCOME_BOT_ENABLE") == "Y"
    serving = line.fields.get("WELCOME_BOT_ID") or "0"
    if is_on and serving not in ("0", str(bot_id)):
        level = red if named else yellow
        return level("E", "line_other_bot", line=line.line_id, name=line.name, other=serving)
    if not is_on or serving == "0":
        return red("E", "line_detached", "ensure", line=line.line_id, name=line.name)
    differ = [f"{name}={line.fields.get(name)}" for name, value in wanted.items() if line.fields.get(name) != value]
    if differ:
        return red("E", "line_fields", "ensure", line=line.line_id, name=line.name, fields=differ)
    return None


def round_trip(facts: Facts) -> Iterator[Finding]:
    """The portal's own test event; and which explanation of its absence the evidence supports."""
    portal, archive = facts.portal, facts.archive
    if not portal.test_sent:
        return
    if portal.test_s is not None:
        yield green("D", "round_trip_ok", seconds=round(portal.test_s, 2))
        return
    if archive.refused:
        yield red("G", "silent_receiver", outcomes=archive.refused)
        return
    if archive.last_event_s is not None and archive.last_event_s < FRESH_EVENT_S:
        yield yellow("D", "round_trip_late", minutes=round(archive.last_event_s / 60))
        return
    visits = facts.reach.at("public") or facts.reach.at("application")
    if any(visit.status == 405 for visit in visits):
        code = "silent_url_check"
    elif portal.handlers is not None and ("ONAPPTEST", facts.subject.wish.public_url) not in portal.handlers:
        code = "silent_subscription"
    else:
        code = "silent_network"
    yield Finding("G", Level.RED, code, {"url": facts.subject.wish.public_url, "instance": facts.subject.name})


PORTAL_CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    tokens,
    renewal,
    rights,
    clock,
    bot,
    lines,
    round_trip,
)
