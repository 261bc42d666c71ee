"""A bare Debian, README's first command, a conversation: on both supported releases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import trees
from .acting import DOMAIN, Portal, create, play, setup
from .debian import Machine, difference
from .passage import URL, Passage

PROXY = {"http_proxy": URL, "https_proxy": URL}


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_a_bare_debian_becomes_an_instance_that_archives_and_hands_over(
    boot: Callable[..., Machine], codename: str
) -> None:
    certificates = [option for option in trees.host_network() if option.startswith("--bind-ro")]
    machine = boot(codename, options=certificates, packages=False)
    trees.put_checkout(machine.root)
    bare = machine.files()
    flags = ("--instance", "acme", "--domain", DOMAIN, "--portal", "http://127.0.0.1:9000", "--yes")
    with Passage(machine.leader):
        first = setup(machine, *flags, env=PROXY)
    assert f"http://{DOMAIN}/acme/python_bot/" in first.out
    assert "imopenlines" in first.out

    play(machine, Portal(machine), "acme", f"http://{DOMAIN}/acme/python_bot/")

    second = create(machine, "shop-2", "--portal", "http://127.0.0.1:9001")
    assert second.seconds < 5
    play(machine, Portal(machine, 9001), "shop-2", f"http://{DOMAIN}/shop-2/python_bot/")

    third = create(machine, "third", "--portal", "http://127.0.0.1:9002", domain="https://Пример.РФ/путь")
    assert "http://xn--e1afmkfd.xn--p1ai/third/python_bot/" in third.out
    assert "http://пример.рф/third/python_bot/" in third.out
    host = "xn--e1afmkfd.xn--p1ai"
    play(machine, Portal(machine, 9002), "third", f"http://{host}/third/python_bot/", host)

    # The second run changes nothing. What the instances themselves still had to write is over by then.
    before = machine.files_at_rest()
    again = setup(machine, *flags)
    assert "nothing was changed" in again.out
    assert difference({"files": before}, {"files": machine.files(times=True)}) == {}

    # And the way back: instances, releases, and the packages that came with them.
    for name in ("acme", "shop-2", "third"):
        machine("botctl", name, "purge", "--yes")
    setup(machine, "--uninstall", "--yes")
    assert machine("sh", "-c", "command -v nginx python3 botctl", check=False).out == ""
    # Debian's own nginx leaves its page behind even when it is purged.
    kept = ("/var/lib/dpkg/", "/var/lib/apt/", "/var/log/", "/etc/alternatives", "/usr/share/", "/var/www")
    assert [path for path in machine.files().keys() - bare.keys() if not path.startswith(kept)] == []
