"""Twenty people make an instance at the same moment."""

from __future__ import annotations

from .acting import get
from .debian import Machine

COUNT = 20


def test_twenty_parallel_creations_give_twenty_ports_and_twenty_working_instances(machine: Machine) -> None:
    names = [f"shop-{number}" for number in range(COUNT)]
    flags = ("create", "--domain", "bots.example.ru", "--yes")
    running = [machine.start("botctl", name, *flags) for name in names]
    for process in running:
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, out + err
    ports = [line.split(":")[1] for line in machine("cat", "/etc/b24bot/ports.map").out.split()]
    assert len(set(ports)) == COUNT
    assert [get(machine, f"/{name}/python_bot/")[0] for name in names] == [200] * COUNT
    assert machine("systemctl", "--failed", "--no-legend").out == ""
