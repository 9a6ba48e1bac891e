"""Drivers whose libraries are large and seldom needed: imported at their first use, so that most processes stay small."""

from skypanel.domain.account import PublicKey


def parse_public_key(text: str, name: str) -> PublicKey:
    """Return an SSH key from its line; its comment names it, or else `name`. Raises Invalid."""
    from skypanel.drivers.ssh import public_keys  # noqa: PLC0415

    return public_keys.parse_public_key(text, name)
