"""What a page refuses."""

from __future__ import annotations

from ..errors import ApiError


class Refused(ApiError):
    """An answer to a person: no part of the API, so its contract knows none of the codes. `texts.ERRORS` has words."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code, "")
