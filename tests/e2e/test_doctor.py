"""The doctor on a real server: each fault of the machine is really made, named first, mended, and then all is green."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from .acting import CLIENT_ID, CLIENT_SECRET, DOMAIN, Portal, create, play, until
from .debian import Machine

HOSTS: Final = "/etc/hosts"
HOME: Final = "/var/www/b24bots/acme"
SERVICE, SOCKET = "gunicorn-b24bot-acme.service", "gunicorn-b24bot-acme.socket"
INCLUDE: Final = f"/etc/nginx/b24bots.d/{DOMAIN}/acme.conf"
VHOST: Final = f"/etc/nginx/sites-available/b24bots-{DOMAIN}"
ON: Final = "botctl acme on"
RELOAD: Final = "nginx -s reload"
FIX: Final = "LC_ALL=C botctl acme doctor --fix"


class Fault(NamedTuple):
    """Shell commands. `also`: what is wrong besides, by itself."""

    make: str
    mend: str
    also: tuple[str, ...] = ()


def name_leads_to(address: str) -> str:
    """/etc/hosts is a mount of its own, so it is written and not replaced."""
    row = f"{address} {DOMAIN}" if address else ""
    return f"printf '127.0.0.1 localhost\\n{row}\\n' >{HOSTS}"


FULL_HOME: Final = f"""
systemctl stop {SOCKET} {SERVICE}; cp -a {HOME} /root/home
mount -t tmpfs -o size=12m tmpfs {HOME}; chmod --reference=/root/home {HOME}; chown --reference=/root/home {HOME}
cp -a /root/home/. {HOME}/; {ON}; dd if=/dev/zero of={HOME}/filling bs=4k 2>/dev/null || true
"""
EMPTY_HOME: Final = f"rm {HOME}/filling; systemctl stop {SOCKET} {SERVICE}; umount {HOME}; rm -r /root/home; {ON}"
LOOP: Final = f"/etc/systemd/system/{SERVICE}.d"

FAULTS: Final[dict[str, Fault]] = {
    "dns_missing": Fault(name_leads_to(""), name_leads_to("127.0.0.1")),
    "dns_elsewhere": Fault(name_leads_to("192.0.2.7"), name_leads_to("127.0.0.1")),
    "nginx_down": Fault("systemctl stop nginx", FIX),
    "nginx_broken": Fault(
        "echo 'server { listen 80' >/etc/nginx/conf.d/somebody.conf", "rm /etc/nginx/conf.d/somebody.conf"
    ),
    "nginx_unlinked": Fault(f"rm /etc/nginx/sites-enabled/b24bots-{DOMAIN}; {RELOAD}", FIX),
    "nginx_astray": Fault(f"sed -i 's/proxy_pass .*/return 404;/' {INCLUDE}; {RELOAD}", FIX),
    "prefix_kept": Fault(f"sed -i /rewrite/d {INCLUDE}; {RELOAD}", FIX),
    "method_refused": Fault(
        f"sed -i '/client_max_body_size/a if ($request_method = HEAD) {{ return 405; }}' {INCLUDE}; {RELOAD}", FIX
    ),
    "public_blocked": Fault(
        f"rm /etc/nginx/sites-enabled/default; sed -i 's/listen 80;/listen 127.0.0.1:80;/; /listen .::.:80/d' {VHOST};"
        f" systemctl restart nginx; {name_leads_to('127.0.0.2')}",
        f"{name_leads_to('127.0.0.1')}; ln -s ../sites-available/default /etc/nginx/sites-enabled/default;"
        f" sed -i 's/listen 127.0.0.1:80;/listen 80;/' {VHOST}; {FIX}; {ON}",
    ),
    "port_dead": Fault(f"systemctl kill --signal STOP {SERVICE}", f"systemctl kill --signal CONT {SERVICE}"),
    "unit_failed": Fault(f"systemctl stop {SOCKET} {SERVICE}", FIX),
    "unit_loop": Fault(
        f"mkdir {LOOP}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{LOOP}/x.conf;"
        f" systemctl daemon-reload; systemctl restart {SERVICE}; while [ $(systemctl show --property=NRestarts --value"
        f" {SERVICE}) -lt 3 ]; do sleep 0.2; done",
        f"rm -r {LOOP}; systemctl daemon-reload; {ON}",
    ),
    "app_off": Fault("botctl acme off", ON),
    "permissions": Fault(f"chown root: {HOME}/auth.json", FIX),
    "disk_full": Fault(FULL_HOME, EMPTY_HOME),
    "settings_wrong": Fault(
        "cp -a /etc/b24bot/env/acme.env /root/acme.env; echo B24BOT_HANDOVER=whoever >>/etc/b24bot/env/acme.env",
        "cp -a /root/acme.env /etc/b24bot/env/acme.env",
    ),
    "interrupted": Fault(
        f"botctl other create --domain {DOMAIN} --yes >/dev/null & "
        "until [ -e /var/lib/b24bot/journal ]; do :; done; kill -9 $!",
        "botctl recover",
    ),
}


class House(NamedTuple):
    machine: Machine
    portal: Portal

    def examined(self) -> dict[str, Any]:
        ran = self.machine("botctl", "acme", "doctor", "--json", check=False)
        found: dict[str, Any] = json.loads(ran.out)
        assert ran.code == (0 if found["level"] == "green" else 1), ran.err
        assert ran.seconds < 12 and found["seconds"] < 10
        return found


def problems(found: dict[str, Any]) -> list[str]:
    return [row["code"] for row in found["findings"] if row["level"] != "green" and not row["because"]]


@pytest.fixture(scope="module")
def house(installed: Callable[[str], list[Path]]) -> Iterator[House]:
    """A server with one instance at work."""
    with Machine(installed("bookworm")) as machine:
        machine("sh", "-c", name_leads_to("127.0.0.1"))
        portal = Portal(machine)
        create(machine, "acme", "--portal", portal.url)
        oauth = portal.url.replace("9000", "9100")
        settings = f"B24BOT_OAUTH_URL={oauth}\nCLIENT_ID={CLIENT_ID}\nCLIENT_SECRET={CLIENT_SECRET}\n"
        machine("sh", "-c", f"printf '{settings}' >>/etc/b24bot/env/acme.env; botctl acme restart")
        play(machine, portal, "acme", f"http://{DOMAIN}/acme/python_bot/")
        yield House(machine, portal)


def test_a_healthy_server_is_green(house: House) -> None:
    found = house.examined()
    assert problems(found) == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_the_machine_is_named_first_and_mended(house: House, code: str) -> None:
    fault = FAULTS[code]
    house.machine("sh", "-c", fault.make)
    try:
        found = house.examined()
        assert problems(found) == [code, *fault.also], json.dumps(found, ensure_ascii=False, indent=1)
    finally:
        mended = house.machine("sh", "-c", fault.mend, check=False)
    until(lambda: problems(house.examined()) == [], 30, f"all is green again: {mended.text}")


def test_the_whole_server_is_examined_in_russian(house: House) -> None:
    ran = house.machine("botctl", "doctor", env={"LC_ALL": "ru_RU.UTF-8"})
    assert "acme: всё в порядке" in ran.out and "botctl doctor: всё в порядке" in ran.out
    reports = json.loads(house.machine("botctl", "doctor", "--json").out)["reports"]
    assert [(row["subject"], row["level"]) for row in reports] == [(None, "green"), ("acme", "green")]


def test_a_clock_ten_minutes_off_is_named(house: House) -> None:
    """The last test: a portal's clock does not go back."""
    house.portal("advance", seconds=600)
    assert problems(house.examined()) == ["clock_wrong"]
