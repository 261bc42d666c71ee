"""The archive as files for others: JSON lines, CSV, pages, a SQLite file; with or without the people in them."""

from .exporter import Export, Exporter
from .wish import FORMATS, LANGUAGES, Format, Language, Wish

__all__ = ["FORMATS", "LANGUAGES", "Export", "Exporter", "Format", "Language", "Wish"]
