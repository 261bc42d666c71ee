"""Which hosts may install the application and be called. Pure; the wall against forged installations and SSRF.

Official authorization servers: https://apidocs.bitrix24.com/settings/oauth/index.html
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ..values import dataclass

OAUTH_EAST: Final = "https://oauth.bitrix24.tech"
OAUTH_WORLD: Final = "https://oauth.bitrix.info"
_EASTERN_ZONES: Final = (".ru", ".by", ".kz", ".am", ".az", ".ge", ".kg", ".uz")
_CLOUD_ZONE: Final = (
    r"\.bitrix24\.(?:ru|by|kz|am|az|ge|kg|uz|com|eu|de|fr|it|es|pl|ua|uk|in|id|cn|tech|vn|jp|mx|co"
    r"|site|shop|com\.br|com\.tr|co\.uk|com\.mx)"
)
_CLOUD_PORTAL: Final = re.compile(rf"[a-z0-9][a-z0-9-]*{_CLOUD_ZONE}")
_CLOUD_HOST: Final = re.compile(rf"(?:[a-z0-9][a-z0-9-]*\.)*[a-z0-9][a-z0-9-]*{_CLOUD_ZONE}")


def origin(url: str) -> str:
    """'https://Acme.bitrix24.ru:443/rest/' -> 'https://acme.bitrix24.ru'; '' for what is no http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        return ""
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" if port in (None, default) else f"{parts.scheme}://{host}:{port}"


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """`portal`: origin of the only permitted portal, or '' for any cloud portal; `oauth_url`: an override or ''.

    `file_hosts`: origins of further servers on which the portal keeps its files.
    """

    portal: str = ""
    oauth_url: str = ""
    file_hosts: tuple[str, ...] = ()

    def permits_portal(self, url: str) -> bool:
        found = origin(url)
        if self.portal:
            return bool(found) and found == origin(self.portal)
        return bool(found.startswith("https://") and _CLOUD_PORTAL.fullmatch(found.removeprefix("https://")))

    def rest_url(self, client_endpoint: str, domain: str, secure: bool = True) -> str:
        """The REST base of the portal that an event names, ending in '/'; '' when it is not permitted.

        Falls back from the endpoint to the domain; with a configured portal the domain needs no scheme.
        """
        if client_endpoint and self.permits_portal(client_endpoint):
            return f"{origin(client_endpoint)}/rest/"
        if client_endpoint or not domain:
            return ""
        scheme = urlsplit(self.portal).scheme if self.portal else ("https" if secure else "http")
        base = f"{scheme}://{domain.lower()}"
        return f"{origin(base)}/rest/" if self.permits_portal(base) else ""

    def oauth_base(self, server_endpoint: str, portal_url: str) -> str:
        """'https://oauth.bitrix24.tech/rest/' -> 'https://oauth.bitrix24.tech'; only known servers are believed."""
        if self.oauth_url:
            return self.oauth_url
        named = origin(server_endpoint)
        if named in (OAUTH_EAST, OAUTH_WORLD):
            return named
        return OAUTH_EAST if (urlsplit(portal_url).hostname or "").endswith(_EASTERN_ZONES) else OAUTH_WORLD

    def download_url(self, url: str, portal_url: str) -> str:
        """Where a file of this portal may be fetched from; '' when the host is not permitted.

        The portal itself, for a cloud portal the other hosts of Bitrix24 over https, and `file_hosts`. A name that is
        not in this list is never looked up, so no link can lead into the server's own network. Behind a proxy a
        portal may believe that it is reached over plain http: it is asked over its https all the same.
        """
        found, portal = origin(url), origin(portal_url)
        if not found or not portal:
            return ""
        if found.startswith("http://") and f"https{found.removeprefix('http')}" == portal:
            return urlunsplit(("https", *urlsplit(url)[1:]))
        if found == portal:
            return url
        host = found.removeprefix("https://")
        is_clouds = found != host and _CLOUD_PORTAL.fullmatch(portal.removeprefix("https://"))
        return url if found in map(origin, self.file_hosts) or (is_clouds and _CLOUD_HOST.fullmatch(host)) else ""
