"""Does an instance answer: on its own port, and through nginx as the portal will come."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..errors import B24BotError
from .spec import InstanceSpec

PATIENCE_S: Final = 30.0
_PEM: Final = "-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----"


def wait_until_ready(
    spec: InstanceSpec, *, through_nginx: bool, has_died: Callable[[], bool] = lambda: False, timeout_s: float = 10.0
) -> None:
    """Raises B24BotError that names the hop which does not answer. `timeout_s`: for one answer."""
    end = time.monotonic() + PATIENCE_S
    problem = "no answer"
    while time.monotonic() < end and not has_died():
        problem = _problem(spec, through_nginx, timeout_s)
        if not problem:
            return
        time.sleep(0.1)
    raise B24BotError(f"{spec.name} does not come up: {problem}", next_step=f"botctl {spec.name} logs")


def _problem(spec: InstanceSpec, through_nginx: bool, timeout_s: float) -> str:
    status, body = get(spec.port, "/readyz", timeout_s=timeout_s)
    if status != 200:
        return f"gunicorn on 127.0.0.1:{spec.port} answers {status or 'nothing'} {body[:200].decode(errors='replace')}"
    if through_nginx:
        status, _ = get(80, f"{spec.prefix}/python_bot/", host=spec.domain)
        if status != 200:
            return f"nginx answers {status or 'nothing'} for {spec.domain}{spec.prefix}/python_bot/"
        if spec.scheme == "https":
            return _problem_over_tls(spec)
    return ""


def _problem_over_tls(spec: InstanceSpec) -> str:
    """Does nginx serve the instance with the certificate it was given? Who signed that is the sysadmin's affair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = f"GET {spec.prefix}/python_bot/ HTTP/1.0\r\nHost: {spec.domain}\r\n\r\n"
    try:
        with (
            socket.create_connection(("127.0.0.1", 443), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=spec.domain) as tls,
        ):
            found = tls.getpeercert(binary_form=True) or b""
            tls.sendall(request.encode())
            answer = tls.makefile("rb").readline().split()
    except OSError as error:
        return f"nginx does not answer over https: {error}"
    first = re.search(_PEM, Path(spec.certificate).read_text(encoding="ascii", errors="replace"), re.DOTALL)
    if first is None or ssl.PEM_cert_to_DER_cert(first[0]) != found:
        return f"nginx does not serve the certificate {spec.certificate}"
    return "" if answer[1:2] == [b"200"] else f"nginx answers {answer[1:2]} over https"


def get(port: int, path: str, host: str = "", token: str = "", timeout_s: float = 10.0) -> tuple[int, bytes]:
    """(status, body) of a GET on loopback; (0, b'') when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = {"Host": host} if host else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def admin_status(spec: InstanceSpec) -> dict[str, Any]:
    """`/api/admin/status` of a running instance; empty when it does not answer."""
    status, body = get(spec.port, "/api/admin/status", token=spec.env.get("API_SECRET_TOKEN", ""))
    found: dict[str, Any] = json.loads(body) if status == 200 else {}
    return found
