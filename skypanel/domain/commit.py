"""What a commit says of itself, as pages show it."""

from dataclasses import dataclass

MAX_SUBJECT = 200
MAX_AUTHOR = 100


@dataclass(frozen=True)
class Note:
    """The first line of a commit's message, and its author's name. Both are printable, on one line, and may be empty."""

    subject: str
    author: str

    @classmethod
    def of(cls, message: str, author: str) -> "Note":
        """Return the note of a commit; `author` is in git's form, `Ada <ada@example.com>`."""
        subject = next((line for line in message.splitlines() if line.strip()), "")
        name, _, rest = author.partition("<")
        return cls(_line(subject, MAX_SUBJECT), _line(name if name.strip() else rest.rpartition(">")[0], MAX_AUTHOR))


def _line(text: str, limit: int) -> str:
    """Return a text without control characters, or characters that reorder others; over the limit it ends with dots."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
