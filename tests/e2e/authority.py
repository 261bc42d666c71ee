"""A certificate authority inside a machine: pebble, the ACME server (RFC 8555) that Let's Encrypt writes for tests.

It is strict: it refuses one nonce in twenty, believes no earlier validation, and fetches every challenge itself.
"""

from __future__ import annotations

import json
from typing import Final

from .acting import until
from .debian import Machine

SERVER: Final = "https://localhost:14000/dir"
CONFIG: Final = {
    "listenAddress": "127.0.0.1:14000",
    "managementListenAddress": "127.0.0.1:15000",
    "certificate": "/root/pebble.pem",
    "privateKey": "/root/pebble.key",
    "tlsPort": 443,
}
OWN: Final = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=made.for.tests"
    " -addext subjectAltName=DNS:{name} -keyout {key} -out {certificate}"
)
FETCH_ROOT: Final = """
import ssl, urllib.request
context = ssl._create_unverified_context()
print(urllib.request.urlopen("https://localhost:15000/roots/0", context=context).read().decode())
"""


def own_certificate(machine: Machine, name: str, certificate: str, key: str) -> None:
    """Signed by itself, and believed by every program of the machine."""
    machine("sh", "-c", OWN.format(name=name, key=key, certificate=certificate))
    believe(machine, machine.path(certificate).read_text())


def believe(machine: Machine, root: str) -> None:
    trusted = "/usr/local/share/ca-certificates"
    number = len(list(machine.path(trusted).glob("*.crt")))
    machine.write(f"{trusted}/test-{number}.crt", root)
    machine("update-ca-certificates")


def start_authority(machine: Machine, *, http_port: int = 80) -> None:
    """At SERVER, trusted by the machine, as what it issues. `http_port`: where it fetches challenges."""
    own_certificate(machine, "localhost", "/root/pebble.pem", "/root/pebble.key")
    machine.write("/root/pebble.json", json.dumps({"pebble": {**CONFIG, "httpPort": http_port}}))
    # By itself it refuses every twentieth nonce, and certbot gives up at the second in a row: a chance, not a fault.
    env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "0"}
    machine.start("pebble", "-config", "/root/pebble.json", env=env)
    root = until(lambda: machine("python3", "-c", FETCH_ROOT, check=False).out, what="the start of pebble")
    believe(machine, root)
