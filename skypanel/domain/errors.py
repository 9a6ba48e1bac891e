"""The few kinds of error a user can meet; every surface maps these and no others."""


class SkyPanelError(Exception):
    """Base of all errors that carry a sentence for the user.

    `message` says what is wrong; `hint` says what to do about it, and may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class NotFound(SkyPanelError):
    """There is no such thing, or it is not the caller's to see."""


class Hidden(NotFound):
    """There is such a thing, but it is not the caller's to see: told as NotFound, and written to the audit log."""


class Conflict(SkyPanelError):
    """The state of things does not allow it now."""


class Denied(SkyPanelError):
    """The caller may not do this."""


class Invalid(SkyPanelError):
    """What was sent is not well-formed or not allowed."""


class Unavailable(SkyPanelError):
    """A part that is needed does not answer; trying again later may help."""


class Unpaid(SkyPanelError):
    """The wallet that would pay for this is empty."""


class Throttled(SkyPanelError):
    """The caller did this too often; doing it again later may be allowed."""
