"""From what a portal delivers at an installation to an installation that we believe.

Nobody signs these requests, so whatever they carry is only a candidate: its host must be permitted, and a REST
call with the delivered token must show that the token is of our application on that portal.
https://apidocs.bitrix24.com/settings/app-installation/local-apps/installation-callback.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..errors import CallRefused, NotAuthorized
from ..values import dataclass
from .client import BitrixClient
from .hosts import HostPolicy
from .payload import Node
from .tokens import Candidate, Installation
from .transport import TokenExpired

TOKEN_LIFETIME_S: Final = 3600


def from_event(auth: Any, policy: HostPolicy, now: float) -> Installation | None:
    """The auth block of ONAPPINSTALL, ONAPPUPDATE or ONAPPTEST; None when its host is not permitted or tokens lack."""
    node = Node(auth)
    endpoint = policy.rest_url(node.text("client_endpoint"), node.text("domain"))
    access_token = node.text("access_token")
    if not endpoint or not access_token:
        return None
    return Installation(
        access_token=access_token,
        refresh_token=node.text("refresh_token"),
        expires_at=int(now) + (node.number("expires_in") or TOKEN_LIFETIME_S),
        client_endpoint=endpoint,
        oauth_base=policy.oauth_base(node.text("server_endpoint"), endpoint),
        member_id=node.text("member_id"),
        application_token=node.text("application_token"),
        scope=node.text("scope"),
        user_id=node.number("user_id") or 0,
        status=node.text("status"),
    )


def from_opened_page(form: Mapping[str, Any], policy: HostPolicy, now: float) -> Installation | None:
    """The form that an administrator's browser posts when the application is opened in the portal.

    https://apidocs.bitrix24.com/settings/oauth/simple-way.html : `member_id` and `status` are in lower case.
    """
    node = Node(dict(form))
    endpoint = policy.rest_url("", node.text("DOMAIN"), secure=node.text("PROTOCOL") != "0")
    access_token = node.text("AUTH_ID")
    if not endpoint or not access_token:
        return None
    return Installation(
        access_token=access_token,
        refresh_token=node.text("REFRESH_ID"),
        expires_at=int(now) + (node.number("AUTH_EXPIRES") or TOKEN_LIFETIME_S),
        client_endpoint=endpoint,
        oauth_base=policy.oauth_base(node.text("SERVER_ENDPOINT"), endpoint),
        member_id=node.text("member_id"),
        application_token=node.text("APPLICATION_TOKEN"),
        scope=node.text("APPLICATION_SCOPE"),
        status=node.text("status"),
    )


def confirm(client: BitrixClient, candidate: Installation, client_id: str) -> bool:
    """Ask the portal with the candidate's own token whose it is; True when it is known to be our application's.

    Raises NotAuthorized when the token is not ours or not known, PortalUnavailable when the portal cannot tell now.
    """
    info = _ask(client, candidate, "app.info", "profile")
    code = Node(info).text("CODE", "client_id")
    if client_id and code and code != client_id:
        raise NotAuthorized("the delivered token belongs to another application of the portal")
    return bool(client_id and code)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is behind a token, as the portal says."""

    user_id: int
    name: str
    is_administrator: bool


def who(client: BitrixClient, candidate: Installation) -> Person:
    """The person behind the token. Raises as `confirm` does."""
    profile = Node(_ask(client, candidate, "profile"))
    user_id = profile.number("ID")
    if not user_id:
        raise NotAuthorized("the portal does not say whose the delivered token is")
    name = f"{profile.text('NAME')} {profile.text('LAST_NAME')}".strip()
    return Person(user_id, name, profile.yes("ADMIN"))


def is_administrator(client: BitrixClient, candidate: Installation) -> bool:
    """Whether the person behind the token administers the portal. Raises as `confirm` does."""
    return Node(_ask(client, candidate, "profile")).yes("ADMIN")


def _ask(client: BitrixClient, candidate: Installation, *methods: str) -> Any:
    """The first of the methods that the portal has, called with the candidate's token."""
    for method in methods:
        try:
            return client.call_as(candidate, method)
        except TokenExpired:
            raise NotAuthorized("the portal does not know the delivered token") from None
        except CallRefused as error:
            if error.code != "ERROR_METHOD_NOT_FOUND":
                raise NotAuthorized(f"the portal refused the delivered token: {error.code}") from None
    raise NotAuthorized("the portal offers no way to confirm the delivered token")


def replaces(candidate: Candidate, stored: Installation | None) -> bool:
    """Whether a confirmed candidate takes the place of what is stored.

    A working installation yields only to the portal's own installation event, never to a person who opened the
    application, and never to another portal's.
    """
    if stored is None or not stored.works:
        return True
    if candidate.opened and stored.application_token:
        return False
    new = candidate.installation
    return not (stored.member_id and new.member_id and stored.member_id != new.member_id)


def must_be_administrator(candidate: Candidate, stored: Installation | None, ours: bool) -> bool | None:
    """Replacing a working installation under another application_token would deafen us to the portal, so it
    takes an administrator and our own application (None: refused outright)."""
    if stored is None or not stored.works or not stored.application_token:
        return False
    if candidate.installation.application_token in ("", stored.application_token):
        return False
    return True if ours else None


def merged(candidate: Installation, stored: Installation | None) -> Installation:
    """The candidate, with what only the stored installation knows."""
    if stored is None:
        return candidate
    return replace(
        candidate,
        application_token=candidate.application_token or stored.application_token,
        member_id=candidate.member_id or stored.member_id,
        renamed_from=stored.renamed_from,
    )


def uninstalled(stored: Installation, now: float) -> Installation:
    """The tokens are dead; what identified the portal stays, so that a reinstallation is recognised."""
    return replace(stored, access_token="", refresh_token="", uninstalled_at=int(now))


def with_application_token(stored: Installation, application_token: str, member_id: str) -> Installation:
    return replace(stored, application_token=application_token, member_id=stored.member_id or member_id)
