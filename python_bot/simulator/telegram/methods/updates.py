"""getUpdates and webhooks."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from ..core import Core
from ..errors import bad_request, too_many_requests
from ..model import Bot
from ..params import Params
from ..webhook import Webhook

CLOUD_PORTS = (80, 88, 443, 8443)
UPDATE_KINDS = frozenset({
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages", "message_reaction",
    "message_reaction_count", "inline_query", "chosen_inline_result", "callback_query", "shipping_query",
    "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member", "chat_member",
    "chat_join_request", "chat_boost", "removed_chat_boost", "guest_message", "subscription",
})  # fmt: skip
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


def get_updates(core: Core, bot: Bot, params: Params) -> list[dict[str, Any]]:
    _take_allowed(bot, params)
    return core.queues[bot.id].ask(params.integer("offset"), params.integer("limit", 100), params.integer("timeout"))


def set_webhook(core: Core, bot: Bot, params: Params) -> Any:
    url = params.text("url")
    if not url:
        return delete_webhook(core, bot, params)
    secret = params.text("secret_token")
    if secret and not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    _acceptable(core, url)
    now = core.clock.now()
    last = core.webhook_set_at.get(bot.id, 0.0)
    if now - last < 1:
        raise too_many_requests(1)
    core.webhook_set_at[bot.id] = now
    connections = params.integer("max_connections", 40)
    wanted = Webhook(url, secret, max(1, min(connections, 100)), params.text("ip_address"))
    _take_allowed(bot, params)
    queue, old, drops = core.queues[bot.id], core.webhooks.of(bot), params.flag("drop_pending_updates")
    if old is not None and _same(old, wanted) and not drops:
        return True, "Webhook is already set"
    if drops:
        queue.drop()
    queue.webhook_set = True
    queue.end_polls()
    core.webhooks.set(bot, wanted)
    return True, "Webhook was set"


def delete_webhook(core: Core, bot: Bot, params: Params) -> Any:
    queue, drops = core.queues[bot.id], params.flag("drop_pending_updates")
    if drops:
        queue.drop()
    if core.webhooks.of(bot) is None and not drops:
        return True, "Webhook is already deleted"
    core.webhooks.set(bot, None)
    queue.webhook_set = False
    return True, "Webhook was deleted"


def get_webhook_info(core: Core, bot: Bot, params: Params) -> dict[str, Any]:
    webhook = core.webhooks.of(bot)
    found: dict[str, Any] = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(core.queues[bot.id].pending),
    }
    if bot.allowed_updates is not None:
        found["allowed_updates"] = sorted(bot.allowed_updates)
    if webhook is None:
        return found
    found["max_connections"] = webhook.max_connections
    if webhook.ip_address:
        found["ip_address"] = webhook.ip_address
    if webhook.last_error_at:
        found |= {"last_error_date": webhook.last_error_at, "last_error_message": webhook.last_error}
    return found


def _same(one: Webhook, other: Webhook) -> bool:
    return (one.url, one.secret_token, one.max_connections, one.ip_address) == (
        other.url, other.secret_token, other.max_connections, other.ip_address,
    )  # fmt: skip


def _acceptable(core: Core, url: str) -> None:
    """Loopback stands for the Internet here, and may be plain; everything else is judged as the cloud does."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.hostname is None:
        raise bad_request("bad webhook: Failed to parse URL")
    if parts.hostname == "127.0.0.1" or core.local:
        return
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in CLOUD_PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if not any(url.startswith(outside) for outside in core.routes):
        raise bad_request("bad webhook: Failed to resolve host: Name or service not known")


def _take_allowed(bot: Bot, params: Params) -> None:
    """What is not said stays as it was; an empty list is the default again."""
    asked = params.list("allowed_updates")
    if asked is None:
        return
    bot.allowed_updates = frozenset(kind for kind in asked if kind in UPDATE_KINDS) or None


METHODS = {
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
}
