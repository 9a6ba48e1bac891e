"""Uploads: a one-time URL for an archive, which is then built."""

import re
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.ids import AccountId, UploadId
from skypanel.domain.limits import GIB

MAX_UPLOAD_BYTES = GIB
# An account may have this many at once; each ends after an hour (`UPLOAD_LIFE`).
MAX_UPLOADS = 20
ASK = "Ask for a new URL with POST /sources, and PUT a .tgz there."

_CHECKSUM = re.compile(r"SHA256:([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """An upload that is offered or done; `checksum` is the SHA-256 (hex) of the bytes received."""

    id: UploadId
    account_id: AccountId
    expires_at: datetime
    source_digest: str | None = None
    checksum: str | None = None


def ended() -> NotFound:
    """Return the error for a URL that has expired or never existed."""
    return NotFound("This upload URL is invalid or has expired.", ASK)


def used() -> Conflict:
    """Return the error for a URL that was already used."""
    return Conflict("This upload URL has already been used.", ASK)


def missing() -> Invalid:
    """Return the error for a source that is missing or belongs to another account."""
    return Invalid(
        "You have no upload at this URL: it has expired, or no archive was uploaded yet.",
        "Ask for URLs with POST /sources, PUT a .tgz to put_url, and give get_url here within the hour.",
    )


def read_version(text: str | None) -> str | None:
    """Return the version that the sender gave an archive, or None. Raises Invalid if it is not printable."""
    if text is not None and not text.isprintable():
        raise Invalid("The version contains characters that cannot be shown.", "Use one line of text, or leave it out.")
    return (text or "").strip() or None


def check(upload: Upload, checksum: str | None) -> str:
    """Return the digest of the uploaded source. Raises Invalid if there is none, or if its checksum differs."""
    if upload.source_digest is None or upload.checksum is None:
        raise missing()
    if checksum is None:
        return upload.source_digest
    match = _CHECKSUM.fullmatch(checksum)
    if match is None:
        raise Invalid("This is not a checksum.", "Write it as SHA256: and 64 hexadecimal digits, or leave it out.")
    if match[1].lower() != upload.checksum:
        raise Invalid(f"The upload has another checksum: SHA256:{upload.checksum}.", "Upload the archive again, or send that checksum.")
    return upload.source_digest
