"""The error family. Every error says what failed and, where a person can help, the next step.

B24BotError
├── SettingsError            one or more environment variables are wrong (all are named at once)
├── BadEvent                 a request that claims to be an event cannot be read as one
├── StorageError             the archive could not be written or read; nothing was stored
│   ├── StorageBusy          another process holds the database; trying again helps
│   ├── StorageFull          the disk is full; trying again helps once there is room
│   │   └── NoRoomForFiles   attachments have no room left; they wait, the archive goes on
│   ├── StorageDamaged       the file is not a database, or is damaged
│   └── SchemaTooNew         a newer release wrote this database
├── DeliveryFailed           an integrator's machine, or a messenger, did not take what it is told
│   ├── TopicGone            somebody deleted the topic; another one can be made
│   └── TopicClosed          somebody closed the topic; it can be opened again
├── NoSuchAccount            no account of a channel has this number
├── NoSuchDialog             the archive has no such dialog, or none that was asked for in this way
└── PortalError              a call to Bitrix24 failed
    ├── PortalUnavailable    network, maintenance page, rate limit: the portal as a whole; trying again helps
    ├── NotAuthorized        the token pair is dead; a person has to authorize the application again
    ├── CallRefused          the portal understood the call and refused it; `code` says why
    └── FileUnavailable      one attachment cannot be had, the portal as a whole is well
"""

from __future__ import annotations

from typing import Final


class B24BotError(Exception):
    """`str(error)` says what happened; `next_step` what to do about it (may be empty)."""

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


class SettingsError(B24BotError):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems), next_step="correct the environment file and start again")
        self.problems = problems


class BadEvent(B24BotError):
    pass


class BadManifest(B24BotError):
    """The file is no manifest of ours, or is damaged."""


class StorageError(B24BotError):
    pass


class StorageBusy(StorageError):
    pass


class StorageFull(StorageError):
    pass


class NoRoomForFiles(StorageFull):
    pass


class StorageDamaged(StorageError):
    pass


class SchemaTooNew(StorageError):
    pass


class DeliveryFailed(B24BotError):
    """`status`: what the receiver answered, None when no answer came. `final`: it wants nothing any more.

    `unreachable`: the machine as a whole is not well, whatever it would be told. `retry_after_s`: when it asked for it.
    `unsent`: it is known that nothing got there.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        final: bool = False,
        unreachable: bool = False,
        retry_after_s: float | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.unsent = unsent
        self.final = final
        self.unreachable = unreachable
        self.retry_after_s = retry_after_s


class NoSuchAccount(B24BotError):
    pass


class TopicGone(DeliveryFailed):
    pass


class TopicClosed(DeliveryFailed):
    pass


class NoSuchDialog(B24BotError):
    pass


class PortalError(B24BotError):
    pass


class PortalUnavailable(PortalError):
    """`retry_after_s`: seconds the portal asked us to wait, None when it named no time.

    `blocked_method`: set when only this method is blocked (OPERATION_TIME_LIMIT), not the whole portal.
    `busy`: the portal is well, it only takes no more requests in this moment.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        blocked_method: str | None = None,
        busy: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.blocked_method = blocked_method
        self.busy = busy


class NotAuthorized(PortalError):
    pass


# Refusals that another try may overcome; every other code is the portal's last word.
PASSING_CODES: Final = frozenset(
    {
        "INTERNAL_SERVER_ERROR",
        "ERROR_UNEXPECTED_ANSWER",
        "ERROR_CORE",
        "OVERLOAD_LIMIT",
        "QUERY_LIMIT_EXCEEDED",
        "OPERATION_TIME_LIMIT",
    }
)


class CallRefused(PortalError):
    """`code`: the portal's error code, for example WRONG_CHAT; `status`: HTTP, 0 inside a batch."""

    def __init__(self, method: str, code: str, description: str, status: int = 0) -> None:
        super().__init__(f"{method}: {code}: {description}" if description else f"{method}: {code}")
        self.method = method
        self.code = code
        self.description = description
        self.status = status

    @property
    def is_passing(self) -> bool:
        """Whether another try may succeed. ERROR_CORE is also the portal's word for a handler bound twice."""
        return self.code in PASSING_CODES and "already" not in self.description.lower()


class FileUnavailable(PortalError):
    """`final`: trying again cannot help."""

    def __init__(self, message: str, *, final: bool = False, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.final = final
