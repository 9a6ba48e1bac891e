"""Translates errors of S3 endpoints and their SDK into the domain's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

# ConnectionError is botocore's own, not the builtin.
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, IncompleteReadError, SSLError  # noqa: A004
from botocore.parsers import ResponseParserError

from skypanel.domain.errors import NotFound, SkyPanelError, Unavailable
from skypanel.domain.names import printable
from skypanel.domain.storage import Storage

MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
MAY_MISS = frozenset({"GetObject", "HeadObject", "ListMultipartUploads", "AbortMultipartUpload"})
REFUSED = frozenset({"401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def code(error: ClientError) -> str:
    """Return the code of an endpoint's error (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""
    return str(error.response.get("Error", {}).get("Code", ""))


def no_bucket(storage: Storage) -> Unavailable:
    """Return the error for a missing bucket."""
    return Unavailable(f"There is no bucket {storage.bucket} at {storage.endpoint}.", "Create it, or correct s3_bucket in the settings.")


@contextmanager
def translated(storage: Storage) -> Iterator[None]:
    """Translate the SDK's errors in the block into NotFound or Unavailable."""
    try:
        yield
    except ClientError as error:
        raise _refusal(storage, error) from error
    except IncompleteReadError as error:
        raise Unavailable("The object storage closed the connection in the middle of an object.", "Try again.") from error
    except SSLError as error:
        raise Unavailable(
            f"This machine does not trust the certificate of the object storage at {storage.endpoint}.",
            "Add its CA certificate to those of the machine (update-ca-certificates), or to the file in SSL_CERT_FILE.",
        ) from error
    except (ConnectionError, HTTPClientError) as error:
        raise Unavailable(
            f"The object storage at {storage.endpoint} does not answer.",
            "Try again in a minute. If it still fails, ask an administrator to check it.",
        ) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Unavailable(f"The object storage cannot be used: {printable(str(error), 200)}.", "Check the s3 settings.") from error


def _refusal(storage: Storage, error: ClientError) -> SkyPanelError:
    error_code = code(error)
    if error_code in MISSING and error.operation_name in MAY_MISS:
        return NotFound("There is no such object.")
    if error_code == "NoSuchBucket":
        return no_bucket(storage)
    if error_code in REFUSED:
        return Unavailable(
            f"The object storage at {storage.endpoint} refuses the panel's access key.",
            "Ask an administrator to correct s3_access_key and s3_secret_key, or their permissions for the bucket.",
        )
    return Unavailable(f"The object storage fails: {printable(error_code)}.", "Try again; if it still fails, check the storage's own log.")
