"""`python -m python_bot.simulator --handler URL`: a portal to try by hand."""

from __future__ import annotations

import argparse
import threading

from . import SimulatedPortal


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m python_bot.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of the portal (default: any free one)")
    parser.add_argument("--oauth-port", type=int, default=0, help="port of the OAuth server")
    parser.add_argument("--handler", help="URL of an application to install: it gets ONAPPINSTALL at once")
    parser.add_argument("--kind", choices=("api", "ui"), default="api")
    parser.add_argument("--no-limits", action="store_true", help="no request limit, like a self-hosted portal")
    parser.add_argument("--say", help="a client writes this after the installation")
    arguments = parser.parse_args()
    with SimulatedPortal(
        limits=not arguments.no_limits, port=arguments.port, oauth_port=arguments.oauth_port
    ) as portal:
        print(f"portal {portal.url}\nOAuth  {portal.oauth_url}\nmember {portal.member_id}", flush=True)
        if arguments.handler:
            app = portal.install_app(arguments.handler, kind=arguments.kind)
            print(f"client_id {app.client_id}\nclient_secret {app.client_secret}", flush=True)
            if arguments.kind == "ui":
                opened = app.open()
                print(f"browser POSTs to {opened.url}\n{opened.body}", flush=True)
        if arguments.say:
            portal.wait_quiet()
            message = portal.client("Анна Смирнова", external_id="209607941").writes(arguments.say)
            print(f"chat {message.chat_id}, session {message.session_id}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")


if __name__ == "__main__":
    main()
