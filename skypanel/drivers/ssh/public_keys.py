"""SSH public keys as OpenSSH writes them into files (RFC 4716's one-line cousin, sshd(8))."""

import asyncssh

from skypanel.domain.account import PublicKey
from skypanel.domain.errors import Invalid


def parse_public_key(text: str, name: str) -> PublicKey:
    """Return a key from its line; its comment names it, or else `name`. Raises Invalid."""
    try:
        key = asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        raise Invalid(f"{name} holds no SSH public key.", "Make one with `ssh-keygen -t ed25519` and give its .pub file.") from None
    line = key.export_public_key("openssh").decode().strip()
    comment = key.get_comment()
    return PublicKey(line, key.get_fingerprint(), comment if isinstance(comment, str) and comment else name)
