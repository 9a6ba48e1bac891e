"""What the log says when a dyno breaks a limit. The codes are Heroku's (https://devcenter.heroku.com/articles/error-codes)."""

MEMORY_EXCEEDED = "Error R14 (Memory quota exceeded)"


def boot_timeout(timeout_s: float) -> str:
    """Return the line for a web dyno that did not listen in time."""
    return f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {timeout_s:g} seconds of launch"


def exit_timeout(grace_s: float) -> str:
    """Return the line for a dyno whose processes did not end after SIGTERM."""
    return f"Error R12 (Exit timeout) -> At least one process failed to exit within {grace_s:g} seconds of SIGTERM"
