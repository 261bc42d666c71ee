from __future__ import annotations

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.hosts import OAUTH_EAST, OAUTH_WORLD, HostPolicy, origin

CLOUD = HostPolicy()
OWN = HostPolicy(portal="https://b24.acme.ru:8443")
PLAIN = HostPolicy(portal="http://127.0.0.1:9000", oauth_url="http://127.0.0.1:9001")

FORGED = [
    "",
    "acme.bitrix24.ru",
    "http://acme.bitrix24.ru/rest/",
    "ftp://acme.bitrix24.ru/",
    "javascript:alert(1)",
    "https://acme.bitrix24.ru.evil.example/rest/",
    "https://evil-bitrix24.ru/rest/",
    "https://bitrix24.ru/rest/",
    "https://.bitrix24.ru/rest/",
    "https://a.b.bitrix24.ru/rest/",
    "https://evil.example/acme.bitrix24.ru",
    "https://evil.example?acme.bitrix24.ru",
    "https://evil.example#acme.bitrix24.ru",
    "https://acme.bitrix24.ru@evil.example/rest/",
    "https://acme.bitrix24.ru:x@evil.example/rest/",
    "https://user@acme.bitrix24.ru/rest/",
    "https://acme.bitrix24.ru\\@evil.example/",
    "https://evil.example\\.bitrix24.ru/",
    "https://acme.bitrix24.ru:8443/rest/",
    "https://acme.bitrix24.ru:99999/rest/",
    "https://acme.bitrix24.ru:abc/rest/",
    "https://acme.bitrix24.ru./rest/",
    "https://acme.bitrix24.ru../rest/",
    "https://аcme.bitrix24.ru/rest/",
    "https://acme.bitrix24.рф/rest/",
    "https://acme.bitrix24。ru/rest/",
    "https://acme%2ebitrix24.ru/rest/",
    "https://acme.bitrix24.ru%00.evil.example/",
    "https://acme.bitrix24.evil/rest/",
    "https://127.0.0.1/rest/",
    "https://[::1]/rest/",
    "https://[acme.bitrix24.ru]/rest/",
    "https://[/",
    "https:///acme.bitrix24.ru/",
    "//acme.bitrix24.ru/rest/",
    "https:acme.bitrix24.ru",
    "https://acme_x.bitrix24.ru/",
    "https://-.bitrix24.ru/",
]


@pytest.mark.parametrize("url", FORGED)
def test_a_forged_host_is_no_cloud_portal(url: str) -> None:
    assert not CLOUD.permits_portal(url)
    assert CLOUD.rest_url(url, "") == ""


@pytest.mark.parametrize("url", FORGED)
def test_an_endpoint_that_is_not_permitted_is_not_replaced_by_the_domain(url: str) -> None:
    if url:
        assert CLOUD.rest_url(url, "acme.bitrix24.ru") == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.bitrix24.ru/rest/",
        "https://ACME.Bitrix24.RU/rest/",
        "https://acme.bitrix24.ru:443/rest/",
        "https://b24-x1.bitrix24.com.br/rest/",
        "https://acme.bitrix24.de",
        "https://a.bitrix24.kz/rest",
    ],
)
def test_a_cloud_portal_is_permitted_over_https(url: str) -> None:
    assert CLOUD.permits_portal(url)
    assert CLOUD.rest_url(url, "").endswith("/")


@pytest.mark.parametrize(
    "url",
    [
        *FORGED,
        "https://acme.bitrix24.ru/rest/",
        "https://b24.acme.ru/",
        "http://b24.acme.ru:8443/",
        "https://b24.acme.ru:8444/",
        "https://x.b24.acme.ru:8443/",
        "https://b24.acme.ru.:8443/",
    ],
)
def test_a_configured_portal_excludes_every_other(url: str) -> None:
    assert not OWN.permits_portal(url)
    assert OWN.rest_url(url, "") == ""


def test_the_configured_portal_is_found_by_endpoint_and_by_domain() -> None:
    assert OWN.rest_url("https://B24.acme.ru:8443/rest", "") == "https://b24.acme.ru:8443/rest/"
    assert OWN.rest_url("", "b24.acme.ru:8443") == "https://b24.acme.ru:8443/rest/"
    assert PLAIN.rest_url("", "127.0.0.1:9000", secure=True) == "http://127.0.0.1:9000/rest/"
    assert PLAIN.permits_portal("http://127.0.0.1:9000/rest/")
    assert not PLAIN.permits_portal("https://127.0.0.1:9000/rest/")


def test_a_domain_over_http_is_refused_without_a_configured_portal() -> None:
    assert CLOUD.rest_url("", "acme.bitrix24.ru", secure=False) == ""
    assert CLOUD.rest_url("", "acme.bitrix24.ru") == "https://acme.bitrix24.ru/rest/"


@pytest.mark.parametrize(
    "domain", ["evil.example", "acme.bitrix24.ru@evil.example", "evil.example/acme.bitrix24.ru", "[", "a b", "", "\\"]
)
def test_a_forged_domain_is_refused(domain: str) -> None:
    assert CLOUD.rest_url("", domain) == ""


@pytest.mark.parametrize(
    ("server", "portal", "expected"),
    [
        ("https://oauth.bitrix24.tech/rest/", "https://acme.bitrix24.com/", OAUTH_EAST),
        ("https://oauth.bitrix.info/rest/", "https://acme.bitrix24.ru/", OAUTH_WORLD),
        ("https://oauth.bitrix.info:443/rest/", "", OAUTH_WORLD),
        ("https://oauth.bitrix24.tech@evil.example/", "https://acme.bitrix24.com/", OAUTH_WORLD),
        ("https://oauth.bitrix24.tech.evil.example/", "https://acme.bitrix24.ru/", OAUTH_EAST),
        ("http://oauth.bitrix24.tech/rest/", "https://acme.bitrix24.de/", OAUTH_WORLD),
        ("https://oauth.bitrix24.tech:8443/", "https://acme.bitrix24.de/", OAUTH_WORLD),
        ("", "https://acme.bitrix24.by/rest/", OAUTH_EAST),
        ("", "https://acme.bitrix24.uz/rest/", OAUTH_EAST),
        ("", "https://acme.bitrix24.eu/rest/", OAUTH_WORLD),
        ("[", "", OAUTH_WORLD),
    ],
)
def test_only_the_official_authorization_servers_are_believed(server: str, portal: str, expected: str) -> None:
    assert CLOUD.oauth_base(server, portal) == expected


def test_a_configured_authorization_server_wins_over_whatever_is_named() -> None:
    assert PLAIN.oauth_base("https://oauth.bitrix24.tech/rest/", "") == "http://127.0.0.1:9001"


pieces = st.sampled_from(
    [
        "https://",
        "http://",
        "acme.bitrix24.ru",
        "evil.example",
        "@",
        ":",
        "443",
        "80",
        "/",
        "\\",
        "?",
        "#",
        ".",
        "%2f",
        "[",
        "]",
        "\t",
        "\n",
        " ",
        "rest/",
        "//",
        "K",
        "。",
        "\x00",
        "::1",
        "acme",
        ".bitrix24.kz",
        "%",
        "&",
        ";",
    ]
)


@given(st.lists(pieces, max_size=7).map("".join) | st.lists(pieces, max_size=5).map(lambda p: "https://" + "".join(p)))
def test_what_is_permitted_is_called_under_the_host_that_was_checked(url: str) -> None:
    """The checker and the HTTP library must read the host of one URL alike."""
    for policy in (CLOUD, HostPolicy(portal="https://acme.bitrix24.ru")):
        found = policy.rest_url(url, "")
        if found:
            called = urllib3.util.parse_url(found + "app.info")
            assert f"{called.scheme}://{called.host}".lower() == origin(url)
            assert called.auth is None


@given(st.text(max_size=40))
def test_any_text_is_checked_without_an_error(text: str) -> None:
    for url in (text, f"https://{text}", f"https://acme.bitrix24.ru{text}"):
        origin(url)
        CLOUD.rest_url(url, text)
        CLOUD.oauth_base(url, text)


# --- where files may be fetched from

ACME = "https://acme.bitrix24.ru/rest/"


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.bitrix24.ru/rest/download.json?auth=1&token=2",
        "https://cdn-ru.bitrix24.ru/b1/x.jpg",
        "https://a.cdn.bitrix24.com/x",
    ],
)
def test_a_cloud_portals_files_lie_on_hosts_of_bitrix24(url: str) -> None:
    assert CLOUD.download_url(url, ACME) == url


@pytest.mark.parametrize(
    "url", [u for u in FORGED if u not in ("http://acme.bitrix24.ru/rest/", "https://a.b.bitrix24.ru/rest/")]
)
def test_a_forged_host_gives_no_files(url: str) -> None:
    assert CLOUD.download_url(url, ACME) == ""


def test_a_portal_that_thinks_it_has_no_tls_is_asked_over_its_tls() -> None:
    assert CLOUD.download_url("http://acme.bitrix24.ru/x?token=1", ACME) == "https://acme.bitrix24.ru/x?token=1"
    assert CLOUD.download_url("http://other.bitrix24.ru/x", ACME) == ""


def test_a_self_hosted_portals_files_lie_on_itself_and_on_the_named_hosts() -> None:
    policy = HostPolicy("https://b24.acme.ru:8443", "", ("https://s3.acme.ru:443", "http://10.0.0.7:9000"))
    portal = "https://b24.acme.ru:8443/rest/"
    for url in ("https://b24.acme.ru:8443/x", "https://s3.acme.ru/x?sig=1", "http://10.0.0.7:9000/x"):
        assert policy.download_url(url, portal) == url
    for url in ("https://b24.acme.ru/x", "https://cdn.bitrix24.ru/x", "http://s3.acme.ru/x", "http://10.0.0.7/x", "x"):
        assert policy.download_url(url, portal) == ""
