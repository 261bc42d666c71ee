"""The domain of an instance: HTTPS with an own certificate beside HTTP, another domain later, a domain for itself."""

from __future__ import annotations

from .acting import DOMAIN, create, get
from .debian import Machine, difference

OPENSSL = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bots.example.ru"
OVER_TLS = """
import http.client, ssl, sys
context = ssl.create_default_context(cafile="/root/cert.pem"); context.check_hostname = False
c = http.client.HTTPSConnection("127.0.0.1", 443, context=context, timeout=10)
c.request("GET", sys.argv[1], headers={"Host": "bots.example.ru"}); print(c.getresponse().status)
"""


def test_https_with_an_own_certificate_leaves_http_and_the_neighbours_alone(machine: Machine) -> None:
    before = machine.state()
    create(machine, "acme")
    create(machine, "shop")
    machine("sh", "-c", f"{OPENSSL} -keyout /root/key.pem -out /root/cert.pem")
    ran = create(machine, "acme", "--tls-cert", "/root/cert.pem", "--tls-key", "/root/key.pem")
    assert f"https://{DOMAIN}/acme/python_bot/" in ran.out
    assert machine("python3", "-c", OVER_TLS, "/acme/python_bot/").out == "200\n"
    assert get(machine, "/acme/python_bot/")[0] == get(machine, "/shop/python_bot/")[0] == 200
    create(machine, "shop")  # again, without a word of certificates
    assert machine("python3", "-c", OVER_TLS, "/shop/python_bot/").out == "200\n"
    assert "nothing was changed" in create(machine, "acme").out

    missing = create(machine, "acme", "--tls-cert", "/root/none.pem", "--tls-key", "/root/key.pem", check=False)
    assert missing.code == 1 and "Next step: " in missing.err
    for name in ("acme", "shop"):
        machine("botctl", name, "purge", "--yes")
    assert difference(before, machine.state()) == {}


def test_an_instance_moves_to_another_domain_and_leaves_nothing_behind(machine: Machine) -> None:
    create(machine, "acme")
    before = machine.files()
    create(machine, "acme", domain="other.example.ru")
    assert get(machine, "/acme/python_bot/", "other.example.ru")[0] == 200
    assert get(machine, "/acme/python_bot/", DOMAIN)[0] == 404
    assert not [path for path in machine.files() if DOMAIN in path and not path.startswith("/var/log")]
    create(machine, "acme")
    left = {path for path in machine.files().keys() - before.keys() if not path.startswith("/var/log")}
    assert left == set()


def test_a_single_instance_serves_the_root_of_its_domain(machine: Machine) -> None:
    ran = create(machine, "acme", "--single")
    assert f"http://{DOMAIN}/python_bot/" in ran.out
    assert get(machine, "/python_bot/")[0] == 200
    assert get(machine, "/api/dialogs")[0] == 200
    second = create(machine, "shop", check=False)
    assert second.code == 1 and "Next step: " in second.err
