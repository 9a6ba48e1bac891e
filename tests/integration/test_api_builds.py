"""Builds of archives that are uploaded: what is taken in, by whom, and what becomes of it."""

import asyncio
import hashlib
import logging
from uuid import UUID

import pytest
from aiohttp import ClientOSError
from sqlalchemy import func, select, update

from skypanel.domain.access import Role
from skypanel.domain.build import BuildState
from skypanel.domain.errors import Unavailable
from skypanel.domain.upload import MAX_UPLOADS
from skypanel.flow import build as build_flow
from skypanel.store import audit, builds
from skypanel.store.tables.sources import uploads as uploads_table
from tests.support.archives import APP, HOSTILE, entry, tgz

BASE = "https://localhost:8443"
UPLOAD = tgz(APP, entry("app.py", b"print('hello')\n"))


async def offered(api):
    blob = (await (await api.call("POST", "/sources", status=201)).json())["source_blob"]
    assert blob["put_url"].startswith(f"{BASE}/sources/")
    return blob


async def put(api, blob, body=UPLOAD, status=200):
    """Upload as curl does: without a token, and without saying how much comes."""

    async def chunks():
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    path = blob["put_url"].removeprefix(BASE)
    headers = {"Host": "localhost:8443", "X-Forwarded-Proto": "https"}
    async with api.client.put(path, data=chunks(), headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def uploaded(api, body=UPLOAD):
    blob = await offered(api)
    await put(api, blob, body)
    return blob


async def start(api, url, status=201, **more):
    response = await api.call("POST", "/apps/hello/builds", {"source_blob": {"url": url, **more}}, status=status)
    return await response.json()


@pytest.fixture
async def empty(stage):
    return await stage.app("hello")


async def stored(stage):
    return [key for key in stage.panel.objects.stored if key[0] == "sources"]


async def test_an_archive_is_uploaded_built_and_released(api, empty, stage):
    blob = await offered(api)
    checksum = f"SHA256:{hashlib.sha256(UPLOAD).hexdigest()}"
    assert await put(api, blob) == {"checksum": checksum}
    made = await start(api, blob["get_url"], version="1.2", checksum=checksum.lower().replace("sha256", "SHA256"))
    assert (made["status"], made["user"]["email"], made["release"]) == ("pending", stage.admin.email, None)
    assert made["source_blob"] | {"kind": "archive", "version": "1.2", "url": ""} == made["source_blob"]
    await stage.work()
    shown = await api.get(f"/apps/hello/builds/{made['id']}")
    release = await api.get("/apps/hello/releases/1")
    assert (shown["status"], shown["release"]["id"], shown["slug"]) == ("succeeded", release["id"], release["slug"])
    assert release["description"] == "Deploy 1.2"
    api.token = None
    text = await (await api.call("GET", shown["output_stream_url"].removeprefix(BASE), status=200)).text()
    assert "Python app detected" in text
    assert "Launching" in text
    async with stage.panel.transaction() as conn:
        actions = [one.action for one in await audit.recent(conn, 5)]
    assert "build.request" in actions


async def test_the_output_comes_as_it_is_printed(api, empty, stage):
    made = await start(api, (await uploaded(api))["get_url"])
    stage.panel.scheduler.hold = asyncio.Event()
    path = made["output_stream_url"].removeprefix(BASE)
    async with api.client.get(path, headers={"Host": "localhost:8443"}) as response:
        working = asyncio.create_task(stage.work())
        seen = ""
        async with asyncio.timeout(60):
            while "Compressing" not in seen:
                seen += (await response.content.readline()).decode()
        assert not working.done()
        assert response.headers["Transfer-Encoding"] == "chunked"
        stage.panel.scheduler.hold.set()
        assert "Verifying deploy... done" in (await response.content.read()).decode()
        await working


async def test_builds_are_listed_by_age_with_those_of_pushes(api, hello, stage):
    for _ in range(2):
        await start(api, (await uploaded(api))["get_url"])
        await stage.work()
    ids = [one["id"] for one in await api.get("/apps/hello/builds")]
    assert [one["source_blob"]["kind"] for one in await api.get("/apps/hello/builds")] == ["git", "archive", "archive"]
    seen, wanted = [], "id ..; max=2, order=desc"
    while wanted:
        response = await api.call("GET", "/apps/hello/builds", Range=wanted)
        seen += [one["id"] for one in await response.json()]
        wanted = response.headers.get("Next-Range")
    assert seen == ids[::-1]


async def test_the_same_upload_is_built_again_where_that_is_asked_for(api, empty, stage):
    blob = await uploaded(api)
    for _ in range(2):
        await start(api, blob["get_url"])
        await stage.work()
    assert len({one["slug"]["id"] for one in await api.get("/apps/hello/builds")}) == 2


async def test_each_upload_is_on_record(api, empty, stage):
    blob = await offered(api)
    await put(api, blob)
    await api.call("POST", "/apps/hello/sources", status=201)
    async with stage.panel.transaction() as conn:
        found = [(one.action, one.email, one.app_name, one.details.get("upload")) for one in await audit.recent(conn, 3)]
    upload = blob["get_url"].rpartition("/")[2]
    assert found[1:] == [("upload.take", stage.admin.email, None, upload), ("upload.offer", stage.admin.email, None, upload)]
    assert found[0][:3] == ("upload.offer", stage.admin.email, "hello")


@pytest.mark.parametrize(("error", "status"), [(Unavailable("Nothing answers."), 503), (ZeroDivisionError(), 500)])
async def test_no_log_line_has_what_opens_an_upload_or_a_stream(api, hello, stage, caplog, *, error, status):
    def broken(*_arguments):
        raise error

    blob, release = await offered(api), await api.get("/apps/hello/releases/1")
    stage.panel.objects.add = broken
    with caplog.at_level(logging.DEBUG):
        await put(api, blob, status=status)
        stage.panel.database.transaction = stage.panel.database.autocommit = broken
        stream = release["output_stream_url"].removeprefix(BASE)
        await api.call("GET", stream, status=status)
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("web"))
    assert "PUT /sources/... " in logged.replace(":", " ")
    assert "GET /streams/releases/... " in logged.replace(":", " ")
    assert stream.rpartition("/")[2] not in logged
    assert blob["put_url"].rpartition("/")[2] not in logged


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_cannot_be_built_is_refused_and_nothing_is_kept_of_it(api, empty, stage, name):
    blob = await offered(api)
    refused = await put(api, blob, HOSTILE[name], 422)
    assert refused["id"] == "invalid_params"
    assert await stored(stage) == []
    assert "upload" in (await start(api, blob["get_url"], 422))["message"]
    # It may be tried again with a better one.
    await put(api, blob)
    await start(api, blob["get_url"])


async def test_a_url_is_good_once_and_for_an_hour(api, empty, stage):
    blob = await uploaded(api)
    assert "already" in (await put(api, blob, status=409))["message"]
    late = await offered(api)
    async with stage.panel.transaction() as conn:
        await conn.execute(update(uploads_table).values(expires_at=func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 1)))
    stage.panel.clock.advance(1)
    assert "expired" in (await put(api, late, status=404))["message"]
    await start(api, blob["get_url"], 422)
    await put(api, {"put_url": f"{BASE}/sources/nonsense"}, status=404)
    assert len(await stored(stage)) == 1


async def test_of_two_that_upload_at_once_one_counts(api, empty):
    blob = await offered(api)
    path = blob["put_url"].removeprefix(BASE)
    answers = await asyncio.gather(*(api.call("PUT", path, UPLOAD) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]


async def test_another_checksum_is_refused(api, empty):
    blob = await uploaded(api)
    for bad in ("SHA256:" + "0" * 64, "0" * 64, "md5:1", "SHA256:"):
        assert "checksum" in (await start(api, blob["get_url"], 422, checksum=bad))["message"]


async def test_what_another_uploaded_is_not_there(api, empty, stage):
    blob = await uploaded(api)
    other = await api.act_as(await stage.member(Role.DEVELOPER))
    assert "no upload at this URL" in (await start(other, blob["get_url"], 422))["message"]
    # Nor does it help to know where another may upload: it stays theirs.
    theirs = await offered(api)
    await put(other, theirs)
    await start(other, theirs["get_url"], 422)
    viewer = await api.act_as(await stage.member(Role.VIEWER))
    await start(viewer, blob["get_url"], 403)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/app.tgz",
        f"https://example.com/sources/{UUID(int=1)}",
        "file:///etc/passwd",
        f"https://localhost.example.com/sources/{UUID(int=1)}",
        "",
        "https://localhost:8443/apps",
        "//",
    ],
)
async def test_no_other_url_is_ever_asked(api, empty, url):
    assert "POST /sources" in (await start(api, url, 422))["message"]


async def test_an_account_may_have_so_many_uploads_at_once(api, stage):
    for _ in range(MAX_UPLOADS):
        await offered(api)
    assert "within an hour" in (await (await api.call("POST", "/sources", status=429)).json())["message"]
    async with stage.panel.transaction() as conn:
        await conn.execute(update(uploads_table).values(expires_at=func.now() - func.make_interval(0, 0, 0, 0, 1)))
    await offered(api)
    async with stage.panel.transaction() as conn:
        assert (await conn.first(select(func.count()).select_from(uploads_table)))[0] == 1


async def test_one_thing_is_deployed_at_a_time_however_it_came(api, empty, stage):
    blob = await uploaded(api)
    await stage.push(empty)
    refused = await start(api, blob["get_url"], 409)
    assert f"{stage.admin.email} pushed" in refused["message"]
    await stage.work()
    first, second = await asyncio.gather(
        *(api.call("POST", "/apps/hello/builds", {"source_blob": {"url": blob["get_url"]}}) for _ in range(2))
    )
    assert sorted([first.status, second.status]) == [201, 409]


@pytest.mark.parametrize("way", ["DELETE /apps/hello/builds/{}", "POST /apps/hello/builds/{}/actions/cancel"])
async def test_a_build_is_cancelled_while_it_waits_and_while_it_runs(api, empty, stage, way):
    method, path = way.split()
    made = await start(api, (await uploaded(api))["get_url"])
    cancelled = await (await api.call(method, path.format(made["id"]), status=200)).json()
    assert cancelled["status"] == "failed"
    await api.call(method, path.format(made["id"]), status=409)
    running = await start(api, (await uploaded(api))["get_url"])
    async with stage.panel.transaction() as conn:
        claimed = await builds.claim(conn, "worker", 15, 2)
    assert str(claimed.id) == running["id"]
    await api.call(method, path.format(running["id"]), status=200)
    async with stage.panel.transaction() as conn:
        assert not await builds.renew(conn, claimed.id, claimed.attempt, 15)
        assert not await builds.finish(conn, claimed.id, claimed.attempt, BuildState.SUCCEEDED)
    text = await (await api.call("GET", running["output_stream_url"].removeprefix(BASE))).text()
    assert f"{stage.admin.email} cancelled this build." in text
    assert [one["version"] for one in await api.get("/apps/hello/releases")] == [0]


async def test_a_build_of_another_app_is_not_there(api, hello, stage):
    other = await stage.app("other")
    async with stage.panel.transaction() as conn:
        made = (await builds.recent(conn, hello.id, 1))[0]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/actions/cancel")):
        await api.call(method, f"/apps/other/builds/{made.id}{path}", status=404)
    waiting = await stage.push(other)
    assert not await build_flow.cancel(stage.panel, other.id, "No.", UUID(int=0))
    assert await build_flow.cancel(stage.panel, other.id, "Yes.", waiting.id)


async def test_a_version_is_a_line_of_text(api, empty, stage):
    blob = await uploaded(api)
    await start(api, blob["get_url"], 422, version="1\n2")
    assert (await start(api, blob["get_url"], version=" "))["source_blob"]["version"] is None
    assert f"{stage.admin.email} sent an archive" in (await start(api, blob["get_url"], 409))["message"]


async def test_buildpacks_are_the_apps(api, empty):
    blob = await uploaded(api)
    body = {"source_blob": {"url": blob["get_url"]}, "buildpacks": [{"url": "https://example.com/pack.git"}]}
    assert "BUILDPACK_URL" in (await (await api.call("POST", "/apps/hello/builds", body, status=422)).json())["message"]


async def test_an_upload_that_breaks_off_leaves_nothing(api, empty, stage):
    blob = await offered(api)

    async def chunks():
        yield UPLOAD[:50]
        raise ConnectionError

    with pytest.raises(ClientOSError):
        await api.client.put(blob["put_url"].removeprefix(BASE), data=chunks(), headers={"Host": "localhost:8443"})
    assert await stored(stage) == []
    await put(api, blob)


async def test_the_pages_say_that_it_was_an_archive_and_whose(api, empty, stage, admin):
    made = await start(api, (await uploaded(api))["get_url"], version="first-one")
    await stage.work()
    assert "from an archive" in await admin.page("/apps/hello")
    page = await admin.page(f"/apps/hello/deploys/{made['id']}")
    assert "Archive <code>first-one</code>" in page
    assert f"by {stage.admin.email}" in page
