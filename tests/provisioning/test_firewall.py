"""UFW's own rule files, as ufw 0.36.2 wrote them: who reaches which port."""

from __future__ import annotations

from pathlib import Path

import pytest

from python_bot.provisioning.firewall import Ufw

OURS = "### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment=623234626f74"


def ufw(etc: Path, *tuples: str, enabled: str = "yes", policy: str = "DROP") -> Ufw:
    (etc / "ufw").mkdir()
    (etc / "default").mkdir()
    (etc / "ufw/ufw.conf").write_text(f"# Set to yes to start on boot.\nENABLED={enabled}\nLOGLEVEL=low\n")
    (etc / "default/ufw").write_text(f'IPV6=yes\nDEFAULT_INPUT_POLICY="{policy}"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n')
    rules = "\n".join(f"\n{row}\n-A ufw-user-input -p tcp -j ACCEPT" for row in tuples)
    (etc / "ufw/user.rules").write_text(
        f"*filter\n:ufw-user-input - [0:0]\n### RULES ###\n{rules}\n### END RULES ###\n"
    )
    return Ufw(etc)


@pytest.mark.parametrize(
    "rows, port, state",
    [
        ([], 80, "closed"),
        ([OURS], 80, "open"),
        ([OURS], 443, "closed"),
        (["### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in"], 443, "open"),
        (["### tuple ### limit tcp 8000:8010 0.0.0.0/0 any 0.0.0.0/0 in"], 8005, "open"),
        (["### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in"], 80, "open"),
        (["### tuple ### deny any 80 0.0.0.0/0 any 0.0.0.0/0 in", OURS], 80, "refused"),
        ([OURS, "### tuple ### deny any 80 0.0.0.0/0 any 0.0.0.0/0 in"], 80, "open"),
        (["### tuple ### reject_log tcp 80,83 0.0.0.0/0 any 0.0.0.0/0 in"], 80, "refused"),
        (["### tuple ### allow any any 0.0.0.0/0 any 10.1.1.1 in"], 80, "closed"),
        (["### tuple ### allow any 80 0.0.0.0/0 any 0.0.0.0/0 in_eth1"], 80, "closed"),
        (["### tuple ### allow any 80 0.0.0.0/0 any 0.0.0.0/0 out"], 80, "closed"),
        (["### tuple ### allow udp 80 0.0.0.0/0 any 0.0.0.0/0 in"], 80, "closed"),
    ],
)
def test_the_first_rule_for_everybody_decides(tmp_path: Path, rows: list[str], port: int, state: str) -> None:
    assert ufw(tmp_path, *rows).state(port) == state


def test_without_ufw_or_with_ufw_switched_off_every_port_is_open(tmp_path: Path) -> None:
    assert Ufw(tmp_path / "nothing").state(80) == "open"
    assert ufw(tmp_path, enabled="no").state(80) == "open"


def test_a_policy_that_accepts_leaves_ports_open(tmp_path: Path) -> None:
    assert ufw(tmp_path, policy="ACCEPT").state(80) == "open"


def test_only_a_rule_with_our_comment_is_ours(tmp_path: Path) -> None:
    assert ufw(tmp_path, OURS).is_ours(80)
    assert not Ufw(tmp_path).is_ours(443)
    (tmp_path / "ufw/user.rules").write_text(OURS.partition(" comment")[0] + "\n")
    assert not Ufw(tmp_path).is_ours(80)
