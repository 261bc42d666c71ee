"""Section A: the way from the portal to our application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..bitrix.ensure import BOUND_EVENTS
from .facts import Facts, Visit
from .findings import Finding, green, red, yellow
from .visits import is_own


def names(facts: Facts) -> Iterator[Finding]:
    """Where the domain leads, in both of its spellings."""
    reach, subject = facts.reach, facts.subject
    if reach.addresses is None or _needs_no_way_in(facts):
        return
    if not reach.addresses:
        yield red("A", "dns_missing", domain=subject.host)
        return
    strangers = [address for address in reach.addresses if not is_own(address, reach.own)]
    # A router may stand before this machine: what counts is whether our own request arrived.
    arrived = {visit.address for visit in reach.at("public") if visit.arrived_as}
    astray = [address for address in strangers if address not in arrived]
    if strangers and not arrived.intersection(reach.addresses):
        yield red("A", "dns_elsewhere", domain=subject.host, addresses=strangers, own=reach.own)
    elif astray and {":" in address for address in astray} - {":" in address for address in arrived}:
        yield yellow("A", "dns_partly", domain=subject.host, addresses=astray)
    elif reach.unicode_addresses is not None and set(reach.unicode_addresses) != set(reach.addresses):
        yield yellow(
            "A",
            "dns_spellings",
            unicode=subject.unicode_host,
            domain=subject.host,
            first=reach.unicode_addresses,
            second=reach.addresses,
        )
    else:
        yield green("A", "dns_ok", domain=subject.host, addresses=reach.addresses)


def application(facts: Facts) -> Iterator[Finding]:
    """Gunicorn's own port."""
    visits = facts.reach.at("application")
    port = facts.subject.local_port
    if not facts.subject.enabled:
        yield red("A", "app_off", instance=facts.subject.name)
    elif visits and not any(visit.status for visit in visits):
        yield red("A", "port_dead", "units", port=port, problem=visits[0].problem)
    elif facts.reach.not_ready:
        yield red("A", "not_ready", port=port, problem=facts.reach.not_ready)


def web_server(facts: Facts) -> Iterator[Finding]:
    """nginx: does it run, is the site switched on, does it pass requests on to us."""
    subject, machine = facts.subject, facts.machine
    if not subject.behind_nginx:
        return
    if machine.nginx_cause:
        yield red("A", "nginx_broken", cause=machine.nginx_cause)
    visits = facts.reach.at("nginx")
    if not machine.nginx_runs or (visits and all(visit.problem == "connection refused" for visit in visits)):
        yield red("A", "nginx_down", "units", port=subject.port)
    if not machine.linked:
        yield red("A", "nginx_unlinked", "units", domain=subject.host)
    astray = [visit for visit in visits if not visit.arrived_as]
    if visits and len(astray) == len(visits):
        yield red("A", "nginx_astray", "units", answers=_answers(astray), path=subject.path)
    kept = {visit.arrived_as for visit in visits if visit.arrived_as not in ("", "/python_bot/")}
    if kept:
        yield yellow("A", "prefix_kept", "units", arrived=kept, sent=subject.path)


def public(facts: Facts) -> Iterator[Finding]:
    """The URL as the portal fetches it."""
    subject, visits = facts.subject, facts.reach.at("public")
    if not visits or _needs_no_way_in(facts):
        return
    refused = [visit for visit in facts.reach.visits if visit.arrived_as and visit.status not in (0, 200, 503)]
    refused += [visit for visit in visits if visit.status == 405 and not visit.arrived_as]
    if refused:
        yield red("A", "method_refused", "units" if subject.behind_nginx else "", answers=_answers(refused))
    if any(visit.untrusted for visit in visits):
        yield yellow("A", "tls_untrusted", problem={visit.problem for visit in visits if visit.untrusted})
    if all(visit.status == 0 for visit in visits):
        yield red("A", "public_blocked", answers=_answers(visits))
    elif not refused and not any(visit.arrived_as for visit in visits):
        yield red("A", "public_astray", answers=_answers(visits))
    elif not refused:
        yield green("A", "reach_ok", hops={visit.hop for visit in facts.reach.visits if visit.arrived_as})


def handlers(facts: Facts) -> Iterator[Finding]:
    """Which URL the portal sends events to."""
    found, ours, subject = facts.portal.handlers, facts.subject.wish.public_url, facts.subject
    if found is None or _needs_no_way_in(facts):
        return
    foreign = {_bare(url) for _, url in found if url not in (ours, subject.connector_handler)}
    wanted = [event for event in BOUND_EVENTS if event not in _UNNEEDED]
    if facts.portal.bots:
        wanted += OF_THE_BOT  # registered with the bot, told with the others
    missing = [event for event in wanted if (event, ours) not in found]
    if any(account.state == "working" for account in facts.archive.accounts):
        at = subject.connector_handler or ours
        missing += [event for event in _OF_CONNECTORS if (event, at) not in found]
    if foreign:
        yield red("A", "handler_foreign", "ensure", urls=foreign, ours=ours)
    if missing:
        yield red("A", "handler_missing", "ensure", events=missing, ours=ours)
    if not foreign and not missing:
        yield green("A", "handler_ok", ours=ours, count=sum(url == ours for _, url in found))


def _bare(url: str) -> str:
    """Without its query: a handler may have a secret there."""
    return url.partition("?")[0] + ("?…" if "?" in url else "")


def _needs_no_way_in(facts: Facts) -> bool:
    """In the fetch mode the instance asks the portal: nobody has to find this server."""
    return facts.subject.wish.event_mode == "fetch"


OF_THE_BOT: Final = ("ONIMBOTMESSAGEADD", "ONIMBOTJOINCHAT", "ONIMBOTDELETE")
_OF_CONNECTORS: Final = ("ONIMCONNECTORMESSAGEADD",)
# An older build of the portal has none of them; the bot's own events bring the same.
_UNNEEDED: Final = ("ONOPENLINEMESSAGEADD", "ONOPENLINEMESSAGEUPDATE", "ONOPENLINEMESSAGEDELETE")


def _answers(visits: list[Visit]) -> list[str]:
    """['nginx GET 404', 'public 192.0.2.1 POST no answer in time']."""
    return list(
        dict.fromkeys(
            f"{visit.hop}{' ' + visit.address if visit.hop == 'public' else ''} {visit.method}"
            f" {visit.status or visit.problem}"
            for visit in visits
        )
    )


REACH_CHECKS: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    names,
    application,
    web_server,
    public,
    handlers,
)
