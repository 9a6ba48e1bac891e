"""SSH public keys in OpenSSH's one-line format (sshd(8)), which differs from that of RFC 4716."""

import asyncssh

from skypanel.domain.account import PublicKey
from skypanel.domain.errors import Invalid


def parse_public_key(text: str, name: str) -> PublicKey:
    """Parse the line of an SSH public key. Its comment is its name, else `name` is. Raises Invalid."""
    try:
        key = asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        raise Invalid(f"{name} is not an SSH public key.", "Make one with `ssh-keygen -t ed25519` and give its .pub file.") from None
    line = key.export_public_key("openssh").decode().strip()
    comment = key.get_comment()
    return PublicKey(line, key.get_fingerprint(), comment if isinstance(comment, str) and comment else name)
