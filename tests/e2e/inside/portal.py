"""Runs inside a machine: a simulated portal that does what it is told, a line of JSON a command.

{"do": "install", "handler": URL} · {"do": "client", "text": TEXT} · {"do": "operator", "chat_id": N, "text": TEXT}
{"do": "advance", "seconds": N}: its clock
{"do": "handed_over", "chat_id": N} · {"do": "handlers"} and {"do": "delivered"}: the URLs
"""

from __future__ import annotations

import json
import sys
from typing import Any

from python_bot.simulator import SimulatedPortal


def obey(portal: SimulatedPortal, order: dict[str, Any]) -> dict[str, Any]:
    match order["do"]:
        case "install":
            app = portal.install_app(order["handler"], client_id=order["client_id"], client_secret=order["secret"])
            return {"client_id": app.client_id}
        case "client":
            client = portal.client(order["name"], connector="telegrambot", line=3, external_id=order["name"])
            message = client.writes(order["text"])
            return {"chat_id": message.chat_id, "message_id": message.message_id}
        case "operator":
            portal.operator(27).writes(order["chat_id"], order["text"])
            return {}
        case "handed_over":
            return {"is": portal.handed_over(order["chat_id"])}
        case "advance":
            portal.clock.advance(order["seconds"])
            return {}
        case "deliveries":
            return {"status": [delivery.status for delivery in portal.deliveries]}
        case "handlers":
            with portal.core.lock:
                return {"urls": sorted({handler.url for handler in portal.core.handlers})}
        case "delivered":
            return {"urls": [delivery.url for delivery in portal.deliveries if delivery.ok]}
    raise AssertionError(order)


def main() -> None:
    with SimulatedPortal(port=int(sys.argv[1]), oauth_port=int(sys.argv[2])) as portal:
        print(json.dumps({"url": portal.url, "oauth": portal.oauth_url}), flush=True)
        for line in sys.stdin:
            print(json.dumps(obey(portal, json.loads(line))), flush=True)


main()
