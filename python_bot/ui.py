"""`ui_app()`: the application behind `/ui/`, over what an instance has for its pages to read and to do."""

from __future__ import annotations

import time

from .instance import Instance
from .intake import ensure_job
from .monitor import Diagnosis, status
from .traffic import Question
from .web.api.export import Streams
from .web.application import Application
from .web.tracing import trace_id
from .web.ui.blueprint import Parts, blueprint
from .web.ui.health import Care
from .web.ui.keeper import Keeper


def ui_app(instance: Instance, keeper: Keeper, streams: Streams, diagnosis: Diagnosis) -> Application:
    app = Application(__name__)
    parts = Parts(
        instance.archive,
        instance.views,
        instance.search,
        instance.contents,
        streams,
        instance.visitors,
        _care(instance, diagnosis),
    )
    app.register_blueprint(blueprint(parts, keeper, instance.desk.portal, instance.settings.prefix))
    return app


def _care(instance: Instance, diagnosis: Diagnosis) -> Care:
    """What the page about the instance's health tells and does."""
    storage, outbox, subscriptions = instance.storage, instance.outbox, instance.subscriptions

    def revive(number: int | None = None) -> bool:
        chosen = None if number is None else [number]
        is_there = storage.write(lambda tx: outbox.revive(tx, chosen, time.time())) > 0
        instance.worker.wake_all()
        return is_there

    def webhook(number: int) -> bool:
        is_there = storage.write(lambda tx: subscriptions.change(tx, number, time.time(), active=True))
        instance.courier.begin_anew(number)
        return is_there

    def compare() -> None:
        instance.sync.catch_up()
        instance.worker.wake_all()

    return Care(
        status=lambda: status(instance),
        diagnosis=diagnosis,
        behind=instance.compared.backlog,
        buried=outbox.buried,
        webhooks=subscriptions.all,
        events=lambda count: instance.traffic.page(Question(direction="in", kinds=("event",)), count)[::-1],
        accounts=lambda: [held.account for held in instance.channels.all()],
        forget_diagnosis=diagnosis.forget,
        acts={
            "examine": lambda: None,  # as after every act
            "revive": revive,
            "compare": compare,
            "set_up": lambda: instance.intake.queue(ensure_job(trace_id())),
            "switch_on": lambda: instance.switch(True),
        },
        numbered={"webhook": webhook, "job": revive},
    )
