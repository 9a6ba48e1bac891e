"""The line that gives `heroku run --exit-code` its exit status. The CLI finds it only if one chunk holds all of it."""

from collections.abc import AsyncIterator

# The CLI makes the shell print this. U+FFFF is not a character.
MARK = "\uffff heroku-command-exit-status: ".encode()


def is_wanted(command: str) -> bool:
    """Whether a command prints the line at its end."""
    return MARK.decode() in command


async def whole(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes, with the status line always as a separate chunk."""
    held = b""
    async for chunk in chunks:
        before, mark, after = (held + chunk).partition(MARK)
        while mark and b"\n" in after:
            if before:
                yield before
            line, end, rest = after.partition(b"\n")
            yield mark + line + end
            before, mark, after = rest.partition(MARK)
        held = mark + after if mark else _beginning(before)
        passed = before if mark else before.removesuffix(held)
        if passed:
            yield passed
    if held:
        yield held


def _beginning(text: bytes) -> bytes:
    """Return the longest suffix of a text that is a prefix of the mark."""
    return next((MARK[:length] for length in range(len(MARK) - 1, 0, -1) if text.endswith(MARK[:length])), b"")
