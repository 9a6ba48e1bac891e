"""Objects in a bucket of any S3 endpoint: `<prefix>/<kind>/<name>`.

The SDK blocks, so each call runs in a thread of the driver's own pool: a storage that hangs blocks no other threads.
An object goes to the local disk first, because its name is the digest of all its bytes.
"""

import asyncio
import base64
import hashlib
import ssl
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from skypanel.domain.errors import NotFound, Unavailable
from skypanel.domain.storage import ObjectKind, Storage, StoredObject
from skypanel.drivers.storage.intake import CHUNK_BYTES, check_kind, copy, disk_errors, file_name
from skypanel.drivers.storage.s3_errors import MISSING, code, no_bucket, translated
from skypanel.ports.objects import Stored

PART_BYTES = 16 * 1024 * 1024
CALLS_AT_ONCE = 8
CONNECT_S = 3.0
READ_S = 20.0
ATTEMPTS = 3
SHA256 = "sha256"  # the metadata of an object whose name is not its digest
DIGEST_LENGTH = 64

T = TypeVar("T")
_Client = Any  # boto3 makes its classes at runtime


class S3Objects:
    """Content-addressed storage in a bucket. Uploads pass through the folder `scratch`."""

    def __init__(self, storage: Storage, scratch: Path, part_bytes: int = PART_BYTES, read_s: float = READ_S) -> None:
        self._storage = storage
        self._scratch = scratch
        self._part_bytes = part_bytes
        self._read_s = read_s
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, "s3")
        self._opened: _Client | None = None
        self._opening = threading.Lock()

    async def add(self, kind: ObjectKind, chunks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Write an object under the digest of its bytes. If it fails, nothing is left behind."""
        check_kind(kind)
        file = await asyncio.to_thread(self._begin)
        try:
            stored = await copy(chunks, file, max_bytes)
            await self._send(self._key(kind, stored.digest), file, stored)
        finally:
            file.close()
        return stored

    async def read(self, kind: ObjectKind, digest: str) -> AsyncIterator[bytes]:
        """Yield an object's bytes. Raises NotFound, or Unavailable before the end of a damaged object."""
        response = await self._call(lambda: self._client().get_object(**self._at(kind, digest)))
        expected = _expected(digest, response["Metadata"])
        body, found, held = response["Body"], hashlib.sha256(), b""
        try:
            while chunk := await self._call(lambda: body.read(CHUNK_BYTES)):
                found.update(chunk)
                if held:
                    yield held
                held = chunk
        finally:
            body.close()
        if expected and found.hexdigest() != expected:
            raise Unavailable(f"The object {kind}/{digest} is damaged in storage.", "Restore it from a backup, or push again.")
        if held:
            yield held

    async def put(self, kind: ObjectKind, name: str, body: bytes) -> None:
        """Write a small object under a given name, in place of an earlier one."""
        at, metadata = self._at(kind, name), {SHA256: hashlib.sha256(body).hexdigest()}
        await self._call(lambda: self._client().put_object(**at, Body=body, ContentMD5=_md5(body), Metadata=metadata))

    async def exists(self, kind: ObjectKind, digest: str) -> bool:
        """Whether an object exists."""
        return await self._head(kind, digest) is not None

    async def delete(self, kind: ObjectKind, digest: str, before: datetime | None = None) -> None:
        """Delete an object; with `before`, only if it was written earlier. A missing one is no error."""
        if before is not None:
            found = await self._head(kind, digest)
            if found is None or found["LastModified"] >= before:
                return
        at = self._at(kind, digest)
        await self._call(lambda: self._client().delete_object(**at))

    async def list(self, kind: ObjectKind) -> AsyncIterator[StoredObject]:
        """Yield the objects of a kind, a thousand for each request."""
        prefix = f"{self._storage.prefix}/{check_kind(kind)}/"
        pages = self._client_pages("list_objects_v2", prefix)
        while (page := await self._call(lambda: next(pages, None))) is not None:
            for entry in page.get("Contents", ()):
                yield StoredObject(unquote(entry["Key"].removeprefix(prefix)), entry["LastModified"])

    async def url(self, kind: ObjectKind, digest: str, life_s: float) -> str | None:
        """Return a signed URL that is valid for `life_s`."""
        at = self._at(kind, digest)
        url: str = await self._call(lambda: self._client().generate_presigned_url("get_object", Params=at, ExpiresIn=int(life_s)))
        return url

    async def sweep(self, before: datetime) -> None:
        """Abort multipart uploads that began before `before`."""
        pages = self._client_pages("list_multipart_uploads", f"{self._storage.prefix}/")
        with suppress(NotFound):  # some endpoints answer so if there are none
            while (page := await self._call(lambda: next(pages, None))) is not None:
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        await self._call(partial(self._abort, upload["Key"], upload["UploadId"]))

    async def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        client, self._opened = self._opened, None
        if client is not None:
            client.close()

    async def _head(self, kind: ObjectKind, name: str) -> Mapping[str, Any] | None:
        at = self._at(kind, name)
        try:
            found: Mapping[str, Any] = await self._call(lambda: self._client().head_object(**at))
        except NotFound:
            # The answer to HEAD is the same for a missing object and a missing bucket.
            await self._call(self._check_bucket)
            return None
        return found

    async def _send(self, key: str, file: IO[bytes], stored: Stored) -> None:
        """Upload a file. If cancelled, wait until the upload is aborted."""
        given_up = threading.Event()
        sending = asyncio.ensure_future(self._call(lambda: self._upload(key, file, stored, given_up)))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            given_up.set()
            await asyncio.wait([sending])
            sending.exception()
            raise

    def _upload(self, key: str, file: IO[bytes], stored: Stored, given_up: threading.Event) -> None:
        client, at = self._client(), {"Bucket": self._storage.bucket, "Key": key}
        file.seek(0)
        if stored.size_bytes <= self._part_bytes:
            body = file.read()
            client.put_object(**at, Body=body, ContentMD5=_md5(body))
            return
        upload = {**at, "UploadId": client.create_multipart_upload(**at)["UploadId"]}
        try:
            parts = []
            for number, body in enumerate(iter(lambda: file.read(self._part_bytes), b""), start=1):
                if given_up.is_set():
                    raise Unavailable("The upload was aborted.")  # noqa: TRY301 - the handler below aborts the upload
                sent = client.upload_part(**upload, PartNumber=number, Body=body, ContentMD5=_md5(body))
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # If the storage is down, a later sweep aborts the upload.
            with suppress(BotoCoreError, ClientError):
                self._abort(key, upload["UploadId"])
            raise

    def _abort(self, key: str, upload_id: str) -> None:
        self._client().abort_multipart_upload(Bucket=self._storage.bucket, Key=key, UploadId=upload_id)

    def _check_bucket(self) -> None:
        try:
            self._client().head_bucket(Bucket=self._storage.bucket)
        except ClientError as error:
            # The key may allow access to objects only.
            if code(error) in MISSING:
                raise no_bucket(self._storage) from error

    def _begin(self) -> IO[bytes]:
        """Open an unnamed file, which the kernel deletes however this process ends."""
        with disk_errors():
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            return TemporaryFile(dir=self._scratch, buffering=0)

    def _key(self, kind: ObjectKind, name: str) -> str:
        return f"{self._storage.prefix}/{check_kind(kind)}/{file_name(name)}"

    def _at(self, kind: ObjectKind, name: str) -> dict[str, str]:
        return {"Bucket": self._storage.bucket, "Key": self._key(kind, name)}

    def _client(self) -> _Client:
        """Return the client. It is made at first use, because that is slow."""
        with self._opening:
            if self._opened is None:
                self._opened = _connect(self._storage, self._read_s)
            return self._opened

    def _client_pages(self, operation: str, prefix: str) -> Iterator[Any]:
        def pages() -> Iterator[Any]:
            yield from self._client().get_paginator(operation).paginate(Bucket=self._storage.bucket, Prefix=prefix)

        return pages()

    async def _call(self, call: Callable[[], T]) -> T:
        def work() -> T:
            with translated(self._storage):
                return call()

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _connect(storage: Storage, read_s: float) -> _Client:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name=storage.region,
        aws_access_key_id=storage.access_key,
        aws_secret_access_key=storage.secret_key,
        # The machine's own CA certificates, which may include a company's. The SDK would use a list of its own.
        verify=ssl.get_default_verify_paths().cafile,
        config=Config(
            signature_version="s3v4",
            # Signs the SHA-256 of the body, also over TLS, so that storage rejects any other body.
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            # Many endpoints do not support the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=CONNECT_S,
            read_timeout=read_s,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=CALLS_AT_ONCE,
        ),
    )


def _expected(name: str, metadata: Mapping[str, str]) -> str | None:
    """Return the expected digest of an object, or None if unknown. Endpoints differ in the case of metadata."""
    if len(name) == DIGEST_LENGTH:
        return name
    return next((value for key, value in metadata.items() if key.lower() == SHA256), None)


def _md5(body: bytes) -> str:
    """Return the Content-MD5 of a body, which storage checks (RFC 1864)."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
