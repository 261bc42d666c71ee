"""The archive made anew from its raw sources, compared with the present one, and put in its place."""

from .replay import Rebuild

__all__ = ["Rebuild"]
