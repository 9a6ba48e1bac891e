"""Interpreters that the stack lacks: fetched once for all apps, from a folder or a server, their digests checked."""

import asyncio
import io
import json
import socket
import tarfile

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.drivers.runtimes import node, python
from skypanel.drivers.runtimes.kept import KeptRuntimes
from tests.support.runtime_mirror import Mirror, runtime_mirror, serving


@pytest.fixture(scope="module")
def mirror() -> Mirror:
    return runtime_mirror()


@pytest.fixture
def runtimes(tmp_path):
    return KeptRuntimes(tmp_path / "runtimes")


async def names(runtimes, runtime):
    body = b"".join([chunk async for chunk in runtimes.read(runtime)])
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return sorted(entry.name.removeprefix("./") for entry in archive if entry.isfile())


@pytest.fixture(params=["a folder", "a server"])
def base(request, mirror):
    if request.param == "a folder":
        yield str(mirror.folder)
    else:
        with serving(mirror) as served:
            yield served.url


@pytest.mark.parametrize(("language", "known"), [("python", "pythons"), ("nodejs", "nodes")])
async def test_what_a_mirror_has_is_offered_fetched_and_read(runtimes, mirror, base, language, known):
    offered = await runtimes.offered(language, base)
    assert sorted(offered) == sorted(getattr(mirror, known))
    runtime = next(iter(offered.values()))
    assert await runtimes.kept(offered) == []
    await runtimes.fetch(runtime, base)
    assert await runtimes.kept(offered) == [runtime.version]
    assert [name for name in await names(runtimes, runtime) if name.endswith(".tar.gz")]


async def test_without_a_mirror_uv_knows_python_and_npm_has_node(runtimes):
    offered = await runtimes.offered("python", "")
    assert {"3.12", "3.13", "3.14"} <= {version.rpartition(".")[0] for version in offered}
    assert all(version.replace(".", "").isdigit() for version in offered)
    assert await runtimes.offered("nodejs", "") == {}


async def test_a_mirror_without_an_index_is_uvs_own_at_another_place(runtimes, mirror, tmp_path):
    copy = mirror.copied_to(tmp_path / "copy")
    (copy.folder / "python" / python.INDEX).unlink()
    offered = await runtimes.offered("python", str(copy.folder))
    newest = next(iter(offered.values()))
    assert newest.url.startswith(f"{copy.folder}/python/2")
    with pytest.raises(Unavailable, match="It is not there"):
        await runtimes.fetch(newest, str(copy.folder))


async def test_many_who_want_one_at_once_fetch_it_once(runtimes, mirror, tmp_path):
    with serving(mirror) as served:
        others = [KeptRuntimes(tmp_path / "runtimes") for _ in range(4)]
        runtime = (await runtimes.offered("python", served.url))[mirror.pythons[0]]
        await asyncio.gather(*(each.fetch(runtime, served.url) for each in (runtimes, *others)))
        assert len(served.archives()) == 1
        # the same archive is not fetched again from another place either
        await runtimes.fetch((await runtimes.offered("python", str(mirror.folder)))[mirror.pythons[0]], str(mirror.folder))
        assert len(served.archives()) == 1


@pytest.mark.parametrize("language", ["python", "nodejs"])
async def test_what_is_not_what_its_index_promises_is_refused_and_not_kept(runtimes, mirror, tmp_path, language):
    copy = mirror.copied_to(tmp_path / "copy")
    for archive in copy.folder.rglob("*.tar.gz"):
        with archive.open("ab") as file:
            file.write(b"more")
    offered = await runtimes.offered(language, str(copy.folder))
    runtime = next(iter(offered.values()))
    with pytest.raises(Unavailable, match="not the file in its index"):
        await runtimes.fetch(runtime, str(copy.folder))
    assert await runtimes.kept(offered) == []


@pytest.mark.parametrize("language", ["python", "nodejs"])
async def test_a_server_that_is_gone_is_called_the_network(runtimes, mirror, language):
    with serving(mirror) as served:
        offered = await runtimes.offered(language, served.url)
    with pytest.raises(Unavailable, match="The network failed"):
        await runtimes.fetch(next(iter(offered.values())), served.url)
    with pytest.raises(Unavailable, match="The network failed"):
        await runtimes.offered(language, served.url)


@pytest.mark.parametrize(("language", "index"), [("python", f"python/{python.INDEX}"), ("nodejs", "node/index.json")])
@pytest.mark.parametrize("body", ["{", "[1]", '{"a": 1}'])
async def test_an_index_that_is_none_is_told(runtimes, tmp_path, language, index, body):
    (tmp_path / index).parent.mkdir()
    (tmp_path / index).write_text(body)
    with pytest.raises(Unavailable, match="is not an index of"):
        await runtimes.offered(language, str(tmp_path))


async def test_a_release_without_a_digest_is_refused(runtimes, mirror, tmp_path):
    copy = mirror.copied_to(tmp_path / "copy")
    (copy.folder / "node" / f"v{mirror.nodes[0]}" / "SHASUMS256.txt").write_text("")
    offered = await node.offered(str(copy.folder))
    with pytest.raises(Unavailable, match="has no digest of"):
        await runtimes.fetch(offered[mirror.nodes[0]], str(copy.folder))


async def test_those_used_least_make_room(tmp_path, mirror):
    base = str(mirror.folder)
    tight = KeptRuntimes(tmp_path / "runtimes", kept_bytes=1)
    pythons, nodes = await tight.offered("python", base), await tight.offered("nodejs", base)
    await tight.fetch(pythons[mirror.pythons[0]], base)
    await tight.fetch(nodes[mirror.nodes[0]], base)
    assert await tight.kept(pythons) == []
    assert await tight.kept(nodes) == mirror.nodes


async def test_what_was_fetched_halfway_is_not_taken_for_whole(tmp_path, mirror, runtimes):
    base = str(mirror.folder)
    runtime = (await runtimes.offered("nodejs", base))[mirror.nodes[0]]
    place = tmp_path / "runtimes"
    await runtimes.fetch(runtime, base)
    whole = next(path for path in place.iterdir() if path.is_dir())
    part = whole.with_suffix(".part")
    whole.rename(part)
    (part / "node.tar.gz").write_bytes(b"half")
    await runtimes.fetch(runtime, base)
    assert not part.exists()
    assert (whole / "node.tar.gz").stat().st_size > 1_000_000


async def test_a_port_that_nobody_listens_on_is_told_within_seconds(runtimes):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="The network failed"):
        await asyncio.wait_for(runtimes.offered("python", f"http://127.0.0.1:{port}"), 60)


def test_the_mirror_of_these_tests_is_one(mirror):
    assert mirror.pythons
    assert json.loads((mirror.folder / "node" / "index.json").read_text())
