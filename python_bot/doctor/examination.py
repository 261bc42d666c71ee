"""All facts about one instance, gathered side by side within a few seconds.

Root looks at the machine first; what lies in the instance's home, and the portal, are then asked with the rights of its
user, so that nothing there becomes root's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ..errors import B24BotError
from ..provisioning.owner import acting_as_owner
from ..provisioning.paths import Layout
from ..provisioning.spec import InstanceSpec
from . import asking, machine_state, messengers, visits
from .checks import check
from .facts import AccountHook, ArchiveState, Facts, PortalState, Reach, Subject
from .records import Records
from .report import Report, report

MACHINE_S: Final = 3.0
REACH_S: Final = 6.0
ALL_S: Final = 9.0


def examine(layout: Layout, spec: InstanceSpec, subject: Subject) -> Report:
    began = time.monotonic()
    facts = gather(layout, spec, subject)
    return report(subject.name, check(facts), time.monotonic() - began)


def gather(layout: Layout, spec: InstanceSpec, subject: Subject) -> Facts:
    end = time.monotonic() + ALL_S
    seen: list[Reach] = []
    looking = threading.Thread(target=lambda: seen.append(visits.look(subject, REACH_S)), daemon=True)
    looking.start()
    machine = machine_state.look(layout, spec, subject, MACHINE_S)
    with acting_as_owner(subject.home):
        portal, archive, hooks = _inner(subject, end)
    looking.join(max(0.0, end - time.monotonic()))
    reach = seen[0] if seen else Reach(None, None, (), ())
    return Facts(subject, machine, reach, portal, archive, time.time(), hooks)


def _inner(subject: Subject, end: float) -> tuple[PortalState, ArchiveState, Mapping[int, AccountHook]]:
    """The portal is asked in this thread: it may write a renewed token, which must not happen with other rights."""
    records = Records(subject.home)
    accounts = records.accounts()
    subject = replace(subject, connectors=messengers.connectors(accounts))
    states: list[ArchiveState] = []
    hooks: dict[int, AccountHook] = {}
    calling = threading.Thread(target=lambda: hooks.update(messengers.ask(subject, accounts)), daemon=True)
    calling.start()
    reading = threading.Thread(target=lambda: states.append(records.look(end - time.monotonic() - 1.0)), daemon=True)
    reading.start()
    began = time.time()
    try:
        portal = asking.ask(subject, records.inbound_nonce, end)
    except B24BotError as error:
        portal = PortalState("unreachable", problem=str(error))
    except OSError as error:  # the tokens belong to somebody else: the permissions tell
        portal = PortalState("unread", problem=str(error.strerror))
    finally:
        reading.join(max(0.0, end - time.monotonic()))
        calling.join(max(0.0, end - time.monotonic()))
    refused = () if portal.test_s is not None or not portal.test_sent else records.refused_events(began)
    if not reading.is_alive():
        records.close()
    archive = states[0] if states else ArchiveState((subject.home / "dialogs.db").is_file())
    return portal, replace(archive, refused=refused), hooks
