"""Where webhooks may go: the rule for addresses, the spelling of addresses, and names that change their mind."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.errors import DeliveryFailed
from python_bot.subscriptions.guard import BadUrl, Forbidden, Guard, Target, is_public, parse
from python_bot.subscriptions.sender import Sender

PUBLIC = [
    "93.184.215.14",
    "8.8.8.8",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "172.32.0.1",
]
OURS = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OURS)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_what_it_is(address: ipaddress.IPv4Address) -> None:
    assert is_public(ipaddress.IPv6Address(f"::ffff:{address}")) == is_public(address)


@given(
    st.sampled_from(
        ["10.0.0.0/8", "127.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.168.0.0/16", "224.0.0.0/4"]
    ).flatmap(lambda network: st.ip_addresses(network=network))
)
def test_no_address_of_these_networks_is_public(address: ipaddress.IPv4Address) -> None:
    assert not is_public(address)


# --- spelling


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:a00:1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "10.0.0.1:8443",
    ],
)
def test_our_own_network_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Forbidden) as caught:
        Guard().check(f"https://{host}/")
    assert "B24BOT_WEBHOOK_HOSTS" in caught.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example.ru",
        "//crm.example.ru/",
        "ftp://crm.example.ru/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://crm.example.ru:0/",
        "https://crm.example.ru:99999/",
        "https://crm.example.ru:x/",
        "https://me@crm.example.ru/",
        "https://me:word@crm.example.ru/",
        "https://127.0.0.1\\@crm.example.ru/",
        "https://crm.example.ru/ x",
        "https://crm.example.ru/\r\nX: y",
        "https://crm.example.ru/\t",
        "https://crm.example.ru/#part",
        "https://crm.пример.рф/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://-x/",
        "https://a b/",
        "https://crm.example.ru/" + "x" * 2000,
    ],
)
def test_what_is_no_address_is_named_as_such(url: str) -> None:
    with pytest.raises(BadUrl):
        parse(url)


def test_an_address_is_taken_apart_as_http_wants_it() -> None:
    assert parse("https://CRM.example.ru/a?b=c") == Target(True, "crm.example.ru", 443, "/a?b=c")
    assert parse("https://crm.example.ru:8443").netloc == "crm.example.ru:8443"
    assert parse("http://crm.example.ru?x=1").path == "/?x=1"
    assert parse("https://[2606:2800::1]:444/").netloc == "[2606:2800::1]:444"


def test_plain_http_needs_the_sysadmins_word() -> None:
    with pytest.raises(BadUrl, match="https"):
        Guard().check("http://crm.example.ru/")
    assert Guard(["crm.example.ru"]).check("http://crm.example.ru/").port == 80


def test_an_allowed_host_is_that_host_and_that_port_alone() -> None:
    guard = Guard(["10.0.0.7:9000", "crm.local", "[::1]:9"])
    for url in ("http://10.0.0.7:9000/", "https://CRM.local:1/", "http://[::1]:9/"):
        assert guard.check(url)
    for url in ("https://10.0.0.7/", "https://10.0.0.8:9000/", "https://127.0.0.1:9/"):
        with pytest.raises(Forbidden):
            guard.check(url)
    assert not guard.allows(parse("https://evil.crm.local/"))


# --- names


def test_only_public_addresses_of_a_name_are_connected_to() -> None:
    guard = Guard(lookup=lambda host, port: ["10.0.0.1", "::1", "fe80::1%eth0", "8.8.8.8", "::ffff:127.0.0.1"])
    assert guard.addresses(parse("https://crm.example.ru/")) == ["8.8.8.8"]
    assert Guard(["crm.local"], lambda host, port: ["10.0.0.1"]).addresses(parse("https://crm.local/")) == ["10.0.0.1"]


def test_a_name_that_leads_home_is_not_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        port = trap.getsockname()[1]
        sender = Sender(Guard(lookup=lambda host, port: ["127.0.0.1"]))
        with pytest.raises(DeliveryFailed, match="own network"):
            sender.post(f"https://crm.example.ru:{port}/", b"{}", {})
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_a_name_that_changes_its_mind_is_asked_once_and_held_to_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, loopback a moment later."""
    answers = iter([["203.0.114.9"], ["127.0.0.1"], ["127.0.0.1"]])
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def lookup(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(DeliveryFailed, match="refused"):
        Sender(Guard(lookup=lookup)).post("https://crm.example.ru/", b"{}", {})
    assert (asked, connected) == (["crm.example.ru"], [("203.0.114.9", 443)])
