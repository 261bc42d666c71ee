"""The doctor's findings from inside the running instance, for the page that people open."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from python_bot.cli.doctor import subject_of
from python_bot.doctor.inside import SelfExamination
from python_bot.doctor.visits import look_from_inside
from python_bot.instance import Instance
from python_bot.monitor import Diagnosis
from python_bot.provisioning import inventory
from python_bot.provisioning.paths import Layout
from python_bot.settings import Settings
from tests.cli.faults import FAULTS, Shop, examined, problems
from tests.support.server import free_port


def from_inside(shop: Shop) -> SelfExamination:
    """As the running instance makes it, in this process."""
    layout = Layout(shop.root)
    subject = subject_of(layout, inventory.spec(layout, "shop-1"))
    return SelfExamination(subject, lambda: shop.server.api("/api/admin/arrivals")["arrivals"])


def test_the_running_instance_sees_itself_in_all_but_the_machine(shop: Shop) -> None:
    """The second question of the same moment is answered from the first."""
    examination, before = from_inside(shop), len(shop.portal.calls_of("event.test"))
    found = examination.as_json("en")
    assert (found["level"], problems(found)) == ("green", []), json.dumps(found, ensure_ascii=False, indent=1)
    known = {row["code"] for row in examined(shop)["findings"]}
    assert known - {row["code"] for row in found["findings"]} <= {"unit_ok", "python_ok", "nginx_ok"}
    russian = examination.as_json("ru")
    assert russian["examined_at"] == found["examined_at"] and russian["findings"] != found["findings"]
    assert len(shop.portal.calls_of("event.test")) == before + 2


# Those that leave the others to be seen, at once, in the order in which they are to be mended; then those that do not.
@pytest.mark.parametrize(
    "codes",
    [("permissions", "handler_foreign", "line_fields", "chats_doubled"), ("tokens_dead",), ("database_damaged",)],
)
def test_the_running_instance_names_the_same_causes_of_itself(shop: Shop, codes: tuple[str, ...]) -> None:
    for code in codes:
        FAULTS[code](shop)
    found = from_inside(shop).as_json("ru")
    assert problems(found) == list(codes), json.dumps(found, ensure_ascii=False, indent=1)
    assert found["seconds"] < 6


def test_an_instance_that_cannot_reach_its_own_address_says_nothing_of_it(shop: Shop) -> None:
    """Its unit shuts it off from private networks, where its public address may be."""
    layout = Layout(shop.root)
    subject = replace(subject_of(layout, inventory.spec(layout, "shop-1")), port=free_port())
    found = look_from_inside(subject, 2.0, dict)
    assert (found.addresses, found.visits) == (None, ())
    elsewhere = look_from_inside(replace(subject, port=subject.local_port), 2.0, dict)
    assert elsewhere.addresses == ("127.0.0.1",) and not any(visit.arrived_as for visit in elsewhere.visits)


def test_an_instance_that_nobody_asks_has_loaded_nothing_of_the_doctor(tmp_path: Path) -> None:
    code = "import sys, python_bot.app; sys.exit(any(name.startswith('python_bot.doctor') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    instance = Instance(Settings(tmp_path, "t" * 16, "http://xn--e1afmkfd.invalid/acme/python_bot/"))
    try:
        found = Diagnosis(instance, dict)("ru")
    finally:
        instance.close()
    assert {row["code"] for row in found["findings"] if row["level"] == "red"} == {"not_installed", "dns_missing"}
