"""What went wrong with a connection, in a few words."""

import os
import ssl

from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientError

from skypanel.domain.names import printable
from skypanel.drivers.resolved import MAX_REASON


def reason(error: ClientError | OSError) -> str:
    """Return why there is no answer."""
    cause: Exception = error
    if isinstance(error, ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"Its certificate is refused: {printable(cause.verify_message, MAX_REASON)}"
    if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
        return f"{os.strerror(cause.errno)}."
    return printable(str(cause) or type(cause).__name__, MAX_REASON)
