"""What becomes of an uploaded archive."""

import gzip
import io
import tarfile
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain import archive
from skypanel.domain.archive import Contents
from skypanel.domain.errors import Invalid
from skypanel.domain.limits import MIB
from skypanel.drivers.sources.upload import TarballArchives
from tests.support.archives import HOSTILE, entry, hard_link, link, tar, tgz


async def rewritten(upload, step=1000):
    async def chunks():
        for start in range(0, len(upload), step):
            yield upload[start : start + step]

    written = b"".join([piece async for piece in TarballArchives().source(chunks())])
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(written)
    with tarfile.open(fileobj=io.BytesIO(plain)) as found:
        return {one.name: (one, found.extractfile(one).read() if one.isreg() else one.linkname) for one in found}


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 4096, 1 << 20])
async def test_files_links_and_programs_stay_what_they_are(style, step):
    long = "/".join(["folder" * 8] * 3) + "/file"
    upload = tgz(
        entry("./", kind=tarfile.DIRTYPE),
        entry("./run.sh", b"#!/bin/sh\n", mode=0o750),
        entry("empty"),
        entry(long, bytes(range(256)) * 9),
        link("a/up", "../run.sh"),
        link("a/over", "../a/./up"),
        hard_link("same", "run.sh"),
        style=style,
    )
    found = await rewritten(upload, step)
    assert list(found) == ["run.sh", "empty", long, "a/up", "a/over", "same"]
    assert (found["run.sh"][0].mode, found["run.sh"][1]) == (0o755, b"#!/bin/sh\n")
    assert (found[long][0].mode, found[long][1]) == (0o644, bytes(range(256)) * 9)
    assert (found["a/up"][0].type, found["a/up"][1]) == (tarfile.SYMTYPE, "../run.sh")
    assert (found["same"][0].type, found["same"][1]) == (tarfile.LNKTYPE, "run.sh")
    assert {one.mtime for one, _ in found.values()} == {315532800}
    assert {(one.uid, one.gid, one.uname) for one, _ in found.values()} == {(0, 0, "")}


async def test_names_that_are_no_text_and_long_ones_stay_as_they_are():
    names = ["b\udcff", "ü/" + "n" * 255, "x" * 150]
    found = await rewritten(tgz(*(entry(name, b"x") for name in names)))
    assert list(found) == names


async def test_several_packed_one_after_the_other_and_zeros_at_the_end_are_one():
    plain = tar(entry("Procfile", b"web: serve\n"), entry("x", b"y" * 2000))
    upload = gzip.compress(plain[:700]) + gzip.compress(plain[700:]) + bytes(1024)
    assert [body for _, body in (await rewritten(upload, 100)).values()] == [b"web: serve\n", b"y" * 2000]


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_must_not_become_files_is_refused(name):
    with pytest.raises(Invalid) as refused:
        await rewritten(HOSTILE[name])
    assert refused.value.hint
    assert len(str(refused.value)) < 10_000


async def test_a_bomb_takes_no_memory_and_ends_where_it_is_too_large():
    bomb = gzip.compress(tar(entry("Procfile", b"x"), entry("zeros", bytes(64 * MIB))) + bytes(64 * MIB))

    async def once():
        yield bomb

    tracemalloc.start()
    async for _ in TarballArchives().source(once()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB
    with pytest.raises(Invalid, match="unpacks to more"):
        async for _ in TarballArchives(100 * MIB).source(once()):
            pass


def test_a_file_and_all_of_them_have_a_size_and_a_number():
    contents = Contents()
    with pytest.raises(Invalid, match="limit for a file is 100"):
        contents.add_file("large", archive.MAX_FILE_BYTES + 1)
    for number in range(archive.MAX_SOURCE_BYTES // archive.MAX_FILE_BYTES):
        contents.add_file(f"{number}", archive.MAX_FILE_BYTES)
    with pytest.raises(Invalid, match="unpacks to more"):
        contents.add_file("one more", archive.MAX_FILE_BYTES)
    # Folders that are only named on the way count too.
    deep = Contents()
    for number in range(archive.MAX_ENTRIES // 1000):
        deep.add_folder("/".join([f"{number}"] * 1000))
    with pytest.raises(Invalid, match="more than 150000 files"):
        deep.add_folder("one more")


async def test_what_describes_a_file_is_bounded():
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 8 * 1024**3
    with pytest.raises(Invalid, match="has metadata"):
        await rewritten(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000)))
    sparse = tarfile.TarInfo("x")
    sparse.pax_headers = {"GNU.sparse.size": "99"}
    with pytest.raises(Invalid):
        await rewritten(tgz((sparse, b"")))


@given(st.binary(max_size=3000))
async def test_any_bytes_are_an_archive_or_refused(noise):
    for upload in (noise, gzip.compress(noise)):
        with pytest.raises(Invalid):
            await rewritten(upload)


@given(st.integers(0, 2047), st.integers(0, 255))
async def test_a_changed_byte_is_refused_or_changes_what_comes_out(at, byte):
    plain = bytearray(tar(entry("a", b"x" * 600), link("b", "a")))
    plain[at] = byte
    try:
        found = await rewritten(gzip.compress(bytes(plain)))
    except Invalid:
        return
    assert all(not name.startswith(("/", "..")) for name in found)
