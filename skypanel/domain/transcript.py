"""The form of what a pusher reads, as Heroku's git receiver prints it."""

from skypanel.domain.errors import SkyPanelError

KIB = 1024
# What buildpacks begin a line with that is for the log alone, such as each package that is fetched.
ASIDE = "\x1b[2m       "


def heading(text: str) -> str:
    """Return a line that begins a phase."""
    return f"-----> {text}"


def detail(text: str) -> str:
    """Return a line under a heading."""
    return f"       {text}"


def is_aside(line: str) -> bool:
    """Whether a line is for a build's log, and left out of what a pusher reads."""
    return line.startswith(ASIDE)


def failure(text: str) -> str:
    """Return a line that says what went wrong or what to do about it."""
    return f" !     {text}"


def failures(error: SkyPanelError) -> tuple[str, ...]:
    """Return the lines for an error: what is wrong, then what to do."""
    return tuple(failure(line) for line in (error.message, error.hint) if line)


def size(size_bytes: int) -> str:
    """Return a size as Heroku prints it, such as 21.2M."""
    value = float(size_bytes)
    for unit in ("B", "K", "M"):
        if value < KIB:
            return f"{value:.0f}{unit}" if unit == "B" else f"{value:.1f}{unit}"
        value /= KIB
    return f"{value:.1f}G"
