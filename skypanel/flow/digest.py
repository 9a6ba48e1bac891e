"""How secrets that only their holders know are stored."""

import hashlib


def digest(secret: str) -> str:
    """Return what is stored of such a secret: its SHA-256 in hex.

    The secrets are random and long, so a slow hash would add nothing.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
