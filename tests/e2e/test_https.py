"""HTTPS later, on an instance that works: by a real ACME server or with an own certificate. The portal follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .acting import DOMAIN, TOKEN, Portal, create, get, has_archived, play, until
from .authority import SERVER, own_certificate, start_authority
from .debian import Machine, difference
from .trees import CHECKOUT

HTTP = f"http://{DOMAIN}/acme/python_bot/"
HTTPS = f"https://{DOMAIN}/acme/python_bot/"
ACME = ("--tls", "acme", "--acme-server", SERVER)
LINEAGE = f"/etc/letsencrypt/live/b24bots-{DOMAIN}"
# Believed only when the machine trusts who signed the certificate, and it is for this name.
OVER_TLS = """
import http.client, sys
c = http.client.HTTPSConnection(sys.argv[1], timeout=20)
form = {"Content-Type": "application/x-www-form-urlencoded"}
c.request("POST", sys.argv[2], body="event=ONSOMETHINGNEW", headers=form)
serial = c.sock.getpeercert()["serialNumber"]; print(c.getresponse().status, serial)
"""


def over_tls(machine: Machine, path: str = "/acme/python_bot", host: str = DOMAIN) -> tuple[int, str]:
    """(status, serial number of the certificate) of an event."""
    status, serial = machine("python3", "-c", OVER_TLS, host, path).out.split()
    return int(status), serial


def has_moved(machine: Machine, portal: Portal, chat_id: int, url: str, host: str = DOMAIN) -> None:
    """The portal knows this handler and no other, and what a client says now comes there and is archived."""
    until(lambda: portal("handlers")["urls"] == [url], what=f"the move to {url}")
    seen = len(portal("delivered")["urls"])
    portal("operator", chat_id=chat_id, text=f"Пишу на {url}")
    until(lambda: has_archived(machine, "acme", chat_id, f"Пишу на {url}", host), what="the message in the archive")
    assert set(portal("delivered")["urls"][seen:]) == {url}


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_an_authority_certifies_a_working_instance_and_renews_under_load(
    boot: Callable[..., Machine], codename: str
) -> None:
    machine = boot(codename, authority=True)
    start_authority(machine)
    before = machine.state()
    portal = Portal(machine)
    create(machine, "acme", "--portal", portal.url)
    create(machine, "shop")
    chat_id = play(machine, portal, "acme", HTTP)

    planned, files = create(machine, "acme", *ACME, "--plan").out, machine.files()
    assert f"certbot gets a certificate for {DOMAIN} from {SERVER}" in planned and "listen 443 ssl" in planned
    assert machine.files() == files
    ran = create(machine, "acme", *ACME, "--acme-email", "admin@example.ru")
    assert HTTPS in ran.out and "shop" in ran.out
    assert over_tls(machine)[0] == over_tls(machine, "/shop/python_bot")[0] == 200
    has_moved(machine, portal, chat_id, HTTPS)
    assert post_over_http(machine) == 200  # a portal that has the former URL is still answered
    assert "nothing was changed" in create(machine, "acme").out
    assert machine("systemctl", "is-enabled", "certbot.timer").out == "enabled\n"

    serial = over_tls(machine)[1]
    load = machine.start("python3", "/root/load.py", "300", "50", "/acme", TOKEN, "https")
    machine("certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew")
    until(lambda: over_tls(machine)[1] != serial, what="the new certificate in nginx")
    answers = json.loads(load.communicate(timeout=60)[0])["answers"]
    assert answers.keys() == {"GET 200", "POST 200"}
    assert sum(answers.values()) >= 300  # and more, as long as the renewal took

    serial = over_tls(machine)[1]
    machine.write("/etc/nginx/conf.d/broken.conf", "no directive of nginx;\n")
    pid = machine("cat", "/run/nginx.pid").out
    renewed = machine("certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew", check=False)
    assert "broken.conf" in renewed.text
    assert over_tls(machine) == (200, serial) and machine("cat", "/run/nginx.pid").out == pid
    machine.path("/etc/nginx/conf.d/broken.conf").unlink()

    machine("botctl", "acme", "purge", "--yes")
    assert over_tls(machine, "/shop/python_bot")[0] == 200
    machine("botctl", "shop", "purge", "--yes")
    assert without_ports(difference(before, machine.state())) == {}


def post_over_http(machine: Machine) -> int:
    return get(machine, "/acme/python_bot", method="POST")[0]


def without_ports(found: dict[str, Any]) -> dict[str, Any]:
    """The simulated portal listens inside the machine."""
    return {key: value for key, value in found.items() if key != "ports"}


@pytest.mark.parametrize(
    "domain, http_port, cause", [("nowhere.example.ru", 80, "DNS records"), (DOMAIN, 81, "port 80")]
)
def test_a_refused_certificate_leaves_http_and_says_why(
    boot: Callable[..., Machine], domain: str, http_port: int, cause: str
) -> None:
    machine = boot(authority=True)
    start_authority(machine, http_port=http_port)
    before = machine.state()
    ran = create(machine, "acme", *ACME, domain=domain, check=False)
    assert ran.code == 1
    assert f"no certificate for {domain}: " in ran.err and cause in ran.err.split("Next step: ")[1]
    assert f"http://{domain}/acme/python_bot/" in ran.out
    assert get(machine, "/acme/python_bot/", domain)[0] == 200
    assert machine("find", "/etc/letsencrypt", "-mindepth", "1").out.split() == ["/etc/letsencrypt/cli.ini"]
    over_http = machine.files()
    assert create(machine, "acme", *ACME, domain=domain, check=False).code == 1
    assert difference({"files": over_http}, {"files": machine.files()}) == {}
    machine("botctl", "acme", "purge", "--yes")
    assert difference(before, machine.state()) == {}


def test_an_unreachable_authority_is_told_from_a_refusing_one(boot: Callable[..., Machine]) -> None:
    machine = boot(authority=True)
    ran = create(machine, "acme", "--tls", "acme", "--acme-server", "https://localhost:1/dir", check=False)
    assert ran.code == 1 and "cannot be reached" in ran.err and "Next step: " in ran.err
    assert get(machine, "/acme/python_bot/")[0] == 200


def test_killed_after_any_step_of_the_switch_the_instance_answers_over_http(boot: Callable[..., Machine]) -> None:
    machine = boot(authority=True)
    start_authority(machine)
    create(machine, "acme")
    before = machine.files()
    steps = 0
    command = ("botctl", "acme", "create", *ACME, "--yes")
    while machine(*command, check=False, env={"B24BOT_TEST_STOP_AFTER_STEP": str(steps)}).code != 0:
        assert "undone: create acme" in machine("botctl", "recover").out.lower()
        left = difference({"files": before}, {"files": machine.files()})
        assert {path for path in left.get("files", {}) if "/var/www/b24bots/acme/" not in path} == set(), steps
        assert get(machine, "/acme/python_bot/")[0] == 200
        steps += 1
    assert steps > 8
    assert over_tls(machine)[0] == 200


def test_an_own_certificate_and_a_new_domain_move_the_portal_and_stop_no_neighbour(machine: Machine) -> None:
    own_certificate(machine, DOMAIN, "/root/cert.pem", "/root/key.pem")
    portal = Portal(machine)
    create(machine, "acme", "--portal", portal.url)
    create(machine, "shop")
    chat_id = play(machine, portal, "acme", HTTP)
    asked = ("systemctl", "show", "--value", "--property=MainPID", "gunicorn-b24bot-shop.service")
    pid = machine(*asked).out

    create(machine, "acme", "--tls-cert", "/root/cert.pem", "--tls-key", "/root/key.pem")
    has_moved(machine, portal, chat_id, HTTPS)
    assert post_over_http(machine) == 200 and over_tls(machine)[0] == 200

    create(machine, "acme", "--tls", "off")
    has_moved(machine, portal, chat_id, HTTP)
    assert "ssl_certificate" not in machine("cat", f"/etc/nginx/sites-available/b24bots-{DOMAIN}").out
    create(machine, "acme", domain="other.example.ru")
    has_moved(machine, portal, chat_id, "http://other.example.ru/acme/python_bot/", "other.example.ru")
    assert machine(*asked).out == pid != "0\n"


def test_certbot_is_installed_only_for_an_authority(machine: Machine) -> None:
    setup = (f"{CHECKOUT}/setup_multi.sh", "--instance", "acme", "--domain", DOMAIN, "--plan")
    assert "Packages to install" not in machine(*setup).out
    assert "Packages to install: certbot" in machine(*setup, "--tls", "acme").out
    machine.write("/root/answers", "TLS=acme\n")
    assert "Packages to install: certbot" in machine(*setup, "--answers", "/root/answers").out
    ran = create(machine, "acme", "--tls", "acme", check=False)
    assert ran.code == 1 and "apt-get install certbot" in ran.err
    assert not machine.path("/etc/b24bot").exists()
