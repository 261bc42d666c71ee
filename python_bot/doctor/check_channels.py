"""Section H: do messages of the messengers reach their open lines, and answers the clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .facts import AccountState, Facts
from .findings import Finding, green, red, yellow


def accounts(facts: Facts) -> Iterator[Finding]:
    # One that is just being connected is not judged: its job waits in the outbox, which tells when it does not go out.
    seen = [account for account in facts.archive.accounts if account.state not in ("off", "connecting")]
    wrong = [finding for account in seen for finding in _of_account(facts, account)]
    yield from wrong
    if seen and not wrong:
        yield green("H", "channels_ok", accounts=[account.label for account in seen])


def _of_account(facts: Facts, account: AccountState) -> Iterator[Finding]:
    label, hook = account.label, facts.hooks.get(account.account_id)
    problem = (hook.problem if hook else "") or (account.problem if account.state == "failing" else "")
    if problem:
        yield red("H", "channel_failing", account=label, problem=problem, channel=account.channel)
    elif hook and hook.state and not hook.state.is_ours:
        level = red if hook.state.is_needed else yellow
        yield level("H", "channel_hook_astray", "ensure", account=label, calls=hook.state.calls or None)
    elif hook and hook.state and hook.state.error:
        yield red("H", "channel_hook_failing", account=label, error=hook.state.error, waiting=hook.state.waiting)
    if account.line_id is None:
        yield yellow("H", "channel_no_line", account=label, channel=account.channel, waiting=account.waiting)
    elif facts.portal.connectors.get(account.connector_id) is False:
        yield red("H", "connector_inactive", "ensure", account=label, line=account.line_id)
    elif account.line_problem:
        yield red("H", "connector_refused", "ensure", account=label, line=account.line_id, problem=account.line_problem)


CHANNEL_CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (accounts,)
