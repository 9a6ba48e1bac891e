"""The S3 driver at a real endpoint."""

import asyncio
import hashlib
import tracemalloc
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import pytest

from skypanel.domain.errors import Invalid, Unavailable
from skypanel.drivers.storage.s3 import S3Objects
from skypanel.embedded.certificates import issue, make_authority
from tests.contracts.objects import ObjectsContract, chunks, fetched, names, read
from tests.fixtures.s3 import BUCKET, S3Server
from tests.support.until import until

PART = 5 * 1024 * 1024
LATER = timedelta(hours=1)


@pytest.fixture
async def objects(s3, tmp_path):
    driver = S3Objects(s3.storage, tmp_path / "scratch", PART)
    yield driver
    await driver.close()


@pytest.fixture
async def with_storage(tmp_path):
    opened = []

    def make(storage):
        opened.append(S3Objects(storage, tmp_path / "scratch", PART))
        return opened[-1]

    yield make
    for driver in opened:
        await driver.close()


def uploads(s3):
    with closing(s3.client()) as client:
        try:
            return client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        except client.exceptions.NoSuchUpload:  # how this endpoint says that there are none
            return []


def nothing_is_left(s3, tmp_path):
    return not s3.files() and not uploads(s3) and not list((tmp_path / "scratch").iterdir())


def large(size=3 * PART + 12345, step=1_000_000):
    return [bytes([start // step % 256]) * min(step, size - start) for start in range(0, size, step)]


@pytest.mark.req("R6.3")
class TestS3Objects(ObjectsContract):
    pass


async def test_a_large_object_goes_in_parts_and_comes_back_whole(s3, objects):
    body = large()
    adding = asyncio.create_task(objects.add("slugs", chunks(*body)))
    await until(lambda: uploads(s3))
    stored = await adding
    assert stored.digest == hashlib.sha256(b"".join(body)).hexdigest()
    assert stored.size_bytes == 3 * PART + 12345
    assert await read(objects, "slugs", stored.digest) == b"".join(body)
    assert not uploads(s3)


async def test_memory_is_bounded_by_a_part_however_large_an_object_is(objects):
    body = b"x" * 1_000_000

    async def many():
        for _ in range(80):
            yield body

    tracemalloc.start()
    try:
        stored = await objects.add("slugs", many())
        _, adding = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        size = sum([len(chunk) async for chunk in objects.read("slugs", stored.digest)])
        _, reading = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 80_000_000
    assert max(adding, reading) < 8 * PART


async def test_all_of_a_panels_objects_are_below_its_prefix(s3, objects):
    stored = await objects.add("slugs", chunks(b"x"))
    await objects.put("outputs", "build/1.1", b"x")
    with closing(s3.client()) as client:
        found = {entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert found == {f"panel/slugs/{stored.digest}", "panel/outputs/build%2F1.1"}


async def test_more_objects_than_a_page_holds_are_listed(s3, objects):
    folder = s3.folder / BUCKET / "panel" / "outputs"
    folder.mkdir(parents=True)
    for number in range(1_100):
        (folder / f"build%2F{number}.1").write_bytes(b"")
    assert await names(objects, "outputs") == {f"build/{number}.1" for number in range(1_100)}


async def test_nothing_is_left_of_an_object_that_is_too_large_or_whose_source_fails(s3, objects, tmp_path):
    async def failing():
        for body in large():
            yield body
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await objects.add("slugs", failing())
    with pytest.raises(Invalid):
        await objects.add("slugs", chunks(*large()), max_bytes=PART)
    assert nothing_is_left(s3, tmp_path)


async def test_nothing_is_left_of_an_upload_that_is_cancelled(s3, objects, tmp_path):
    body = large(12 * PART)
    adding = asyncio.create_task(objects.add("slugs", chunks(*body)))
    await until(lambda: uploads(s3))
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert nothing_is_left(s3, tmp_path)


async def test_what_a_killed_writer_left_is_swept_and_what_is_on_its_way_is_not(s3, objects):
    with closing(s3.client()) as client:
        begun = client.create_multipart_upload(Bucket=BUCKET, Key="panel/slugs/x")
        client.upload_part(Bucket=BUCKET, Key="panel/slugs/x", UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * PART)
        client.create_multipart_upload(Bucket=BUCKET, Key="somebody-else/x")
    await objects.sweep(datetime.now(UTC) - LATER)
    assert len(uploads(s3)) == 2
    await objects.sweep(datetime.now(UTC) + LATER)
    assert [upload["Key"] for upload in uploads(s3)] == ["somebody-else/x"]


@pytest.mark.parametrize("body", [b"", b"y", b"y" * 1000, b"x" * 999 + b"y", b"x" * 3_000_000])
async def test_a_damaged_object_is_never_read_to_its_end(s3, objects, body):
    stored = await objects.add("slugs", chunks(b"x" * 1000))
    with closing(s3.client()) as client:
        client.put_object(Bucket=BUCKET, Key=f"panel/slugs/{stored.digest}", Body=body)
    got = []

    async def read_all():
        async for chunk in objects.read("slugs", stored.digest):
            got.append(chunk)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(Unavailable, match="damaged"):
        await read_all()
    assert b"".join(got) == b"" or len(b"".join(got)) < len(body)


@asynccontextmanager
async def altering_proxy(s3):
    """Lead to the endpoint, and alter what passes in either direction."""
    port = int(s3.storage.endpoint.rpartition(":")[2])
    serving = []

    async def pass_on(reader, writer):
        try:
            while body := await reader.read(65536):
                writer.write(body.replace(b"genuine", b"altered"))
                await writer.drain()
        finally:
            writer.close()

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def test_what_is_altered_on_its_way_is_neither_kept_nor_read(s3, objects, with_storage):
    stored = await objects.add("slugs", chunks(b"a genuine slug"))
    async with altering_proxy(s3) as endpoint:
        altered = with_storage(s3.but_with(endpoint=endpoint))
        with pytest.raises(Unavailable):
            await altered.add("sources", chunks(b"a genuine source"))
        with pytest.raises(Unavailable, match="damaged"):
            await read(altered, "slugs", stored.digest)
        await altered.close()
    assert await names(objects, "sources") == set()
    assert await read(objects, "slugs", stored.digest) == b"a genuine slug"


async def test_a_damaged_object_with_a_name_says_so_too(s3, objects):
    await objects.put("outputs", "build/1.1", b"one line\n")
    digest = hashlib.sha256(b"one line\n").hexdigest()
    with closing(s3.client()) as client:
        client.put_object(Bucket=BUCKET, Key="panel/outputs/build%2F1.1", Body=b"another!\n", Metadata={"sha256": digest})
    with pytest.raises(Unavailable, match="damaged"):
        await read(objects, "outputs", "build/1.1")


async def test_wrong_keys_say_what_to_correct(s3, with_storage):
    for storage in (s3.but_with(secret_key="wrong"), s3.but_with(access_key="wrong")):
        objects = with_storage(storage)
        for refused in (objects.add("slugs", chunks(b"x")), objects.exists("slugs", "0" * 64), read(objects, "slugs", "0" * 64)):
            with pytest.raises(Unavailable, match="refuses the panel's access key") as caught:
                await refused
            assert "s3_access_key and s3_secret_key" in caught.value.hint
            assert "wrong" not in str(caught.value)


async def test_a_missing_bucket_is_not_a_missing_object(s3, with_storage):
    objects = with_storage(s3.but_with(bucket="nowhere"))
    for refused in (
        objects.add("slugs", chunks(b"x")),
        objects.put("outputs", "x", b""),
        objects.exists("slugs", "0" * 64),
        read(objects, "slugs", "0" * 64),
        names(objects, "slugs"),
    ):
        with pytest.raises(Unavailable, match="There is no bucket nowhere"):
            await refused


async def test_an_endpoint_that_is_down_says_so_within_seconds_and_is_used_again_when_it_is_back(s3, objects):
    stored = await objects.add("slugs", chunks(b"x"))
    s3.stop()
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable, match="does not answer"):
            await read(objects, "slugs", stored.digest)
    s3.start()
    assert await read(objects, "slugs", stored.digest) == b"x"


async def test_an_endpoint_that_hangs_is_given_up_and_holds_up_no_other_thread(s3, tmp_path):
    objects = S3Objects(s3.storage, tmp_path / "scratch", read_s=0.5)
    stored = await objects.add("slugs", chunks(b"x"))
    with s3.hung():
        waiting = [asyncio.create_task(objects.exists("slugs", stored.digest)) for _ in range(40)]
        async with asyncio.timeout(60):
            await asyncio.to_thread(lambda: None)
        with pytest.raises(Unavailable, match="does not answer"):
            await waiting[0]
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await objects.exists("slugs", stored.digest)
    await objects.close()


async def test_an_endpoint_that_goes_away_in_the_middle_of_reading(s3, objects):
    stored = await objects.add("slugs", chunks(*large(40_000_000)))
    reading = objects.read("slugs", stored.digest)
    await anext(reading)
    s3.stop()
    with pytest.raises(Unavailable):
        [chunk async for chunk in reading]


async def test_an_endpoint_that_goes_away_in_the_middle_of_an_upload(s3, objects, tmp_path):
    adding = asyncio.create_task(objects.add("slugs", chunks(*large(12 * PART))))
    await until(lambda: uploads(s3))
    s3.stop()
    with pytest.raises(Unavailable, match="does not answer"):
        await adding
    s3.start()
    await objects.sweep(datetime.now(UTC) + LATER)
    assert await names(objects, "slugs") == set()
    assert not uploads(s3)
    stored = await objects.add("slugs", chunks(b"again"))
    assert await read(objects, "slugs", stored.digest) == b"again"


async def test_a_server_that_speaks_no_s3_is_unavailable(s3, with_storage):
    async def answer(_reader, writer):
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        objects = with_storage(s3.but_with(endpoint=f"http://127.0.0.1:{port}"))
        with pytest.raises(Unavailable):
            await objects.add("slugs", chunks(b"x"))


@pytest.fixture
def tls(tmp_path):
    authority = make_authority("localhost", datetime.now(UTC))
    pair = issue(authority, ("localhost",), datetime.now(UTC))
    for name, text in (("ca.crt", authority.certificate), ("s3.crt", pair.certificate), ("s3.key", pair.key)):
        (tmp_path / name).write_bytes(text)
    server = S3Server(tmp_path / "s3", (tmp_path / "s3.crt", tmp_path / "s3.key"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def test_tls_takes_whom_the_machine_trusts_and_nobody_else(tls, with_storage, tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match="does not trust the certificate"):
        await with_storage(tls.storage).add("slugs", chunks(b"x"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    objects = with_storage(tls.storage)
    stored = await objects.add("slugs", chunks(*large()))
    assert hashlib.sha256(await read(objects, "slugs", stored.digest)).hexdigest() == stored.digest


async def test_a_url_fetches_without_keys_and_expires(s3, objects):
    stored = await objects.add("slugs", chunks(b"a slug"))
    url = await objects.url("slugs", stored.digest, 60)
    assert s3.storage.secret_key not in url
    assert await asyncio.to_thread(fetched, url) == b"a slug"
    url = await objects.url("slugs", stored.digest, 1)

    async def expired():
        try:
            await asyncio.to_thread(fetched, url)
        except HTTPError as error:
            return error.code in {400, 403}
        return False

    await until(expired)


async def test_only_a_whole_url_opens_an_object(s3, objects):
    first, second = [await objects.add("slugs", chunks(body)) for body in (b"one", b"two")]
    url = await objects.url("slugs", first.digest, 60)
    with pytest.raises(HTTPError):
        await asyncio.to_thread(fetched, url.replace(first.digest, second.digest))


def test_keys_are_in_no_repr(s3):
    assert s3.storage.secret_key not in repr(s3.storage)
    assert s3.storage.access_key not in repr(s3.storage)
