"""The line by which `heroku run --exit-code` learns how its command ended; the CLI finds it only where one chunk holds it."""

from collections.abc import AsyncIterator

# The CLI has the shell print it: U+FFFF is no character.
MARK = "\uffff heroku-command-exit-status: ".encode()


def is_wanted(command: str) -> bool:
    """Whether a command ends by printing the line."""
    return MARK.decode() in command


async def whole(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes, the line always as a piece of its own."""
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
    """Return the end of a text that may be the beginning of the mark."""
    return next((MARK[:length] for length in range(len(MARK) - 1, 0, -1) if text.endswith(MARK[:length])), b"")
