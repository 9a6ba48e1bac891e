"""The format of what a pusher reads, which is that of Heroku's git receiver."""

from skypanel.domain.errors import SkyPanelError

KIB = 1024
# How buildpacks begin lines that are only for the build's log, such as each fetched package.
DIMMED = "\x1b[2m       "


def heading(text: str) -> str:
    """Return the heading of a phase."""
    return f"-----> {text}"


def detail(text: str) -> str:
    """Return a line below a heading."""
    return f"       {text}"


def is_dimmed(line: str) -> bool:
    """Whether a line is only for the build's log; the pusher does not see it."""
    return line.startswith(DIMMED)


def failure(text: str) -> str:
    """Return a line that says what failed or what to do about it."""
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
