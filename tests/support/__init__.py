"""What tests share: a real instance under real Gunicorn, recorded payloads, ways to wait."""

from .payloads import VECTORS, form, vector
from .server import ROOT, TOKEN, Server, free_port
from .waiting import until

__all__ = ["ROOT", "TOKEN", "VECTORS", "Server", "form", "free_port", "until", "vector"]
