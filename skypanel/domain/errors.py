"""The few kinds of error that a user can meet. Every user interface maps these and no others."""


class SkyPanelError(Exception):
    """Base of all errors with a sentence for the user.

    `message` says what is wrong; `hint` says what to do about it, and may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class NotFound(SkyPanelError):
    """It does not exist, or the caller may not see it."""


class Hidden(NotFound):
    """It exists, but the caller may not see it. The caller gets a NotFound; the audit log records the denial."""


class Conflict(SkyPanelError):
    """The current state does not allow this."""


class Denied(SkyPanelError):
    """The caller may not do this."""


class CodeNeeded(Denied):
    """The account has two-factor sign-in, and there is no code, or a wrong one."""


class Invalid(SkyPanelError):
    """The input is malformed or not allowed."""


class Unavailable(SkyPanelError):
    """A required service does not respond; a retry may help."""


class Unpaid(SkyPanelError):
    """The wallet that would pay for this is empty."""


class Throttled(SkyPanelError):
    """A rate limit is exceeded; a later retry may succeed."""
