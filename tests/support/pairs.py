"""Certificates to upload."""

from datetime import UTC, datetime, timedelta

from skypanel.embedded.certificates import issue, make_authority

START = datetime.now(UTC)
AUTHORITY = make_authority("example.com", START)


def pair(*names, days=0):
    """Return a certificate for names, with its chain, and its key, both PEM, made so many days after now."""
    made = issue(AUTHORITY, names, START + timedelta(days=days))
    return (made.certificate + AUTHORITY.certificate).decode(), made.key.decode()
