"""A place to upload an archive to, once and for a while, that is then built."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from skypanel.domain.errors import Conflict, Invalid, NotFound
from skypanel.domain.ids import AccountId, UploadId
from skypanel.domain.limits import GIB

LIFE = timedelta(hours=1)
MAX_UPLOAD_BYTES = GIB
# So many an account may have at once; they are gone after their life.
MAX_UPLOADS = 20
ASK = "Ask for a new URL with POST /sources, and PUT a .tgz there."

_CHECKSUM = re.compile(r"SHA256:([0-9a-f]{64})", re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """What may be uploaded, or was: `checksum` is the SHA-256 in hex of the bytes that were sent."""

    id: UploadId
    account_id: AccountId
    expires_at: datetime
    source_digest: str | None = None
    checksum: str | None = None


def ended() -> NotFound:
    """Return what is said of a URL that is good no more, or never was."""
    return NotFound("Nothing can be uploaded to this URL: it has expired, or never was one.", ASK)


def used() -> Conflict:
    """Return what is said of a URL that was used."""
    return Conflict("Something was uploaded to this URL already.", ASK)


def missing() -> Invalid:
    """Return what is said of a source that is not there, or not the caller's."""
    return Invalid(
        "There is no upload of yours at this URL: it has expired, or nothing that can be built was uploaded yet.",
        "Ask for URLs with POST /sources, PUT a .tgz to put_url, and give get_url here within the hour.",
    )


def read_version(text: str | None) -> str | None:
    """Return what an archive's sender calls its version, if anything. Raises Invalid for what cannot be shown."""
    if text is not None and not text.isprintable():
        raise Invalid("The version has characters that cannot be shown.", "Name it by one line of text, or leave it out.")
    return (text or "").strip() or None


def check(upload: Upload, checksum: str | None) -> str:
    """Return the digest of the source that was uploaded. Raises Invalid if there is none, or not the one that is meant."""
    if upload.source_digest is None or upload.checksum is None:
        raise missing()
    if checksum is None:
        return upload.source_digest
    match = _CHECKSUM.fullmatch(checksum)
    if match is None:
        raise Invalid("This is no checksum.", "Write it as SHA256: and 64 hexadecimal digits, or leave it out.")
    if match[1].lower() != upload.checksum:
        raise Invalid(f"What was uploaded has another checksum: SHA256:{upload.checksum}.", "Upload it anew, or give that one.")
    return upload.source_digest
