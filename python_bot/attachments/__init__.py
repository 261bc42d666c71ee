"""Contents of attachments: fetched from the portal promptly, kept by their hash, given out safely."""

from .queue import FILE_FETCH, FILE_SURVEY, FileQueue, survey_job
from .store import ContentStore, Limits

__all__ = ["FILE_FETCH", "FILE_SURVEY", "ContentStore", "FileQueue", "Limits", "survey_job"]
