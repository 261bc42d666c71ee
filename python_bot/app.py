"""`create_app()`: the WSGI application of one instance, what Gunicorn calls."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from flask import Flask

from . import jobs, monitor
from .errors import B24BotError
from .instance import Instance
from .intake import ensure_job
from .settings import Settings
from .web import b24, channel_files, channel_hooks, hooks, inbound, monitoring, page
from .web.access import Access
from .web.api import accounts as accounts_api
from .web.api import admin as admin_api
from .web.api import archive as archive_api
from .web.api import avito as avito_api
from .web.api import completeness as completeness_api
from .web.api import contract as contract_api
from .web.api import export as export_api
from .web.api import files as files_api
from .web.api import search as search_api
from .web.api import stats as stats_api
from .web.api import subscriptions as subscriptions_api
from .web.api import telegram as telegram_api
from .web.api.lists import Lists
from .web.api_tokens import FILE_NAME, TokenFile, Uses
from .web.application import Application
from .web.arrivals import Arrivals, NoteArrivals
from .web.connectors import ConnectorSettings
from .web.event_shortcut import EventShortcut
from .web.first_visit import AtFirstVisit
from .web.http_answers import ApiManners, Limiter
from .web.key_file import FILE_NAME as PAGE_KEY
from .web.key_file import KeyFile
from .web.list_shortcut import ListShortcut
from .web.oauth import OAuthReturn
from .web.page_token import PageTokens
from .web.prefix import AcceptPrefix
from .web.ui.keeper import Keeper

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

GUNICORN_BOOT_ERROR = 3  # the exit status on which Gunicorn gives up instead of trying again for ever


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application of one instance, at work; what Gunicorn calls.

    Without settings it reads the environment, and says what is wrong in plain words instead of a traceback.
    With settings it raises StorageError.
    """
    if settings is None:
        try:
            return create_app(Settings.from_env(os.environ))
        except B24BotError as error:
            print(f"Error: {error}\nNext step: {error.next_step or 'see bot.log'}", file=sys.stderr, flush=True)
            raise SystemExit(GUNICORN_BOOT_ERROR) from None
    instance = Instance(settings)
    try:
        instance.start()
    except B24BotError as error:
        log.critical("not started: %s; %s", error, error.next_step)
        instance.close()
        raise
    app = flask_app(instance)
    app.extensions["b24bot"] = instance
    return app


def flask_app(instance: Instance) -> Flask:
    """The routes over an instance; without side effects, so that docs and tests can list them."""
    settings = instance.settings
    app = Application(__name__)
    access = Access(
        settings.api_secret_token,
        settings.public_read,
        TokenFile(settings.home / FILE_NAME),
        used=Uses(instance.note_token_use).note,
        refused=lambda reason: instance.metrics.count("api_refusals_total", reason=reason),
    )
    arrivals = Arrivals()
    manners = ApiManners(Limiter(settings.rate_limit), settings.cors_origins)
    app.before_request(manners.preflight)
    oauth = OAuthReturn(
        instance.authorizer,
        instance.policy,
        settings.api_secret_token,
        settle=lambda candidate: jobs.settle(instance.parts, candidate),
        ensure=lambda trace_id: instance.intake.queue(ensure_job(trace_id)),
    )
    key, streams = KeyFile(settings.home / PAGE_KEY), export_api.Streams(instance.exporter)
    keeper = Keeper(instance.storage, instance.visitors, access, key, instance.desk.portal, settings.ui_access)
    app.register_blueprint(page.blueprint(instance.desk, PageTokens(key), instance.state.read, keeper))
    show = hooks.shown(settings.prefix)
    connectors = ConnectorSettings(
        instance.desk, instance.door.wait_for_confirmation, instance.channels.of_connector, instance.metrics
    )
    app.register_blueprint(hooks.blueprint(instance.door, oauth, connectors, show))
    app.register_blueprint(b24.blueprint(instance.door, oauth, settings.handler_secret, show))
    app.register_blueprint(channel_hooks.blueprint(instance.accounts, instance.relay))
    app.register_blueprint(channel_files.blueprint(instance.relay))
    lists = Lists(instance.archive, instance.search, instance.long_poll)
    for api in (
        files_api.blueprint(instance.archive, instance.contents, access),
        archive_api.blueprint(instance.archive, lists, access, instance.refresh),
        contract_api.blueprint(access),
        completeness_api.blueprint(instance.report, access),
        search_api.blueprint(lists, access),
        export_api.blueprint(streams, instance.search, access),
        stats_api.blueprint(instance.archive, access),
        accounts_api.blueprint(telegram_api.BOTS, instance.accounts, access, instance.relay.messages.count_waiting),
        subscriptions_api.blueprint(
            instance.storage, instance.subscriptions, instance.guard, access, instance.courier.begin_anew
        ),
        avito_api.blueprint(instance.accounts, access),
        *(
            accounts_api.blueprint(
                accounts_api.of_channel(name, instance.relay.registry.needs(name)),
                instance.accounts,
                access,
                instance.relay.messages.count_waiting,
            )
            for name in instance.relay.registry.more
        ),
        admin_api.blueprint(
            access, lambda: monitor.status(instance), instance.switch, instance.reinit_db, arrivals.marks
        ),
    ):
        app.register_blueprint(manners.put_on(api))
    app.register_blueprint(
        monitoring.blueprint(access, lambda: monitor.readiness(instance), lambda: monitor.metrics_text(instance))
    )
    answering: WSGIApplication = AtFirstVisit(app.wsgi_app, lambda: _pages(instance, keeper, streams, arrivals))
    if not settings.cors_origins:  # else every answer depends on whose page asks
        quick = {"/api/dialogs": lists.dialogs, "/api/messages": lists.messages, "/api/search": lists.search}
        answering = ListShortcut(answering, access, manners, quick)
    prefixed = AcceptPrefix(EventShortcut(answering, instance.door), settings.prefix)
    journaled = inbound.Journaled(prefixed, instance.recorder.note, instance.masks.is_secret)
    app.wsgi_app = NoteArrivals(journaled, arrivals)  # type: ignore[method-assign]  # Flask's own way
    return app


def _pages(instance: Instance, keeper: Keeper, streams: export_api.Streams, arrivals: Arrivals) -> WSGIApplication:
    from .ui import ui_app  # half a megabyte, for those who look

    return ui_app(instance, keeper, streams, monitor.Diagnosis(instance, arrivals.marks))
