"""The parts that come as packages, from the configurations we build: they start, answer and stop."""

import asyncio
import os
import signal
from dataclasses import replace
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import PROXY_TOKEN_HEADER, Route
from skypanel.embedded import health, home, routes
from skypanel.embedded.children import last_lines, log_path
from skypanel.embedded.database import make_database
from tests.fixtures.proxy import serve
from tests.support.supervised import home_with, is_gone, started, states, until, user_of

NAMES = ("postgres", "valkey", "traefik")
# The public ports need the web process too.
PARTS = [part for part in health.SERVICES if part.name in NAMES and part is not health.PUBLIC_PORTS]


@pytest.fixture
def settings():
    with home_with(*NAMES) as made:
        yield made


async def all_answer(settings):
    for part in PARTS:
        await until(lambda part=part: part.answers(settings))


async def test_all_answer_and_none_is_left_after_the_stop(settings):
    async with started(settings):
        await all_answer(settings)
        pids = [state.pid for state in (await states(settings)).values()]
        assert {user_of(pid) for pid in pids} == {settings.panel_uid}
    assert len(pids) == len(NAMES)
    assert all(is_gone(pid) for pid in pids)
    assert [await part.answers(settings) for part in PARTS] == [False, False, False]


async def test_they_die_with_supervisord_and_come_back_on_what_they_leave(settings):
    async with started(settings) as child:
        await all_answer(settings)
        pids = [state.pid for state in (await states(settings)).values()]
        os.kill(child.process.pid, signal.SIGKILL)
        await until(lambda: asyncio.to_thread(lambda: all(is_gone(pid) for pid in pids)))
    async with started(settings):
        await all_answer(settings)


async def test_each_comes_back_after_a_kill(settings):
    async with started(settings):
        await all_answer(settings)
        before = await states(settings)
        for state in before.values():
            os.kill(state.pid, signal.SIGKILL)

        async def others_run():
            now = await states(settings)
            return all(now[name].state == "RUNNING" and now[name].pid != before[name].pid for name in NAMES)

        await until(others_run)
        await all_answer(settings)


async def test_the_database_is_made_once_and_takes_the_password_alone(settings):
    async with started(settings):
        await all_answer(settings)
        await make_database(settings)
        await make_database(settings)
        with pytest.raises(Unavailable, match="password authentication failed"):
            await make_database(replace(settings, database_password="another"))
        assert not await health.valkey_answers(replace(settings, valkey_password="another"))


async def test_sockets_are_the_panels_alone(settings):
    async with started(settings):
        await all_answer(settings)
        assert settings.run_dir.stat().st_mode & 0o777 == 0o700
        sockets = [file for file in settings.run_dir.iterdir() if file.is_socket()]
        assert {".s.PGSQL.5432", "valkey.sock", "supervisor.sock"} <= {file.name for file in sockets}
        assert [file.name for file in settings.run_dir.iterdir() if file.stat().st_mode & 0o077] in ([], ["supervisord.pid"])


async def test_traefiks_api_wants_the_token(settings):
    async def granted(answer):
        return await answer(**{PROXY_TOKEN_HEADER: settings.traefik_token}) == 200

    url = f"http://127.0.0.1:{settings.traefik_port}/api/http/routers"

    async def answer(**headers):
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status

    async with started(settings):
        await all_answer(settings)
        await until(lambda: granted(answer))
        assert await answer() == 404
        assert await answer(**{PROXY_TOKEN_HEADER: "another"}) == 404
        assert not [line for line in last_lines(log_path(settings.home, "traefik")) if "provider=file" in line]


async def test_visitors_are_answered_before_the_panel_is_there_by_the_routes_of_before(settings):
    async def hello(_request):
        return web.Response(text="hello")

    app, endpoint = await serve([web.get("/", hello)])
    table = routes.table(settings, [Route(uuid4(), ("hello.localhost",), (endpoint,))])
    routes.keep(settings.run_dir, routes.TABLE, table)
    os.chown(settings.run_dir / routes.TABLE, settings.panel_uid, settings.panel_gid)

    async def answers(host, status):
        try:
            async with aiohttp.ClientSession() as session, session.get(url, headers={"Host": host}) as response:
                return response.status == status
        except aiohttp.ClientConnectionError:
            return False

    url = f"http://127.0.0.1:{settings.address.http_port}"
    async with started(settings):
        await until(lambda: answers("hello.localhost", 200))
        # Nobody can tell yet whether there is an app of that name.
        for host in ("stopped.localhost", "skypanel.localhost", "localhost"):
            assert await answers(host, 503)
    await app.cleanup()
    home.init(settings.home, os.environ, starting=True)
    assert endpoint not in (settings.run_dir / routes.TABLE).read_text()


async def test_https_shows_a_certificate_that_the_homes_authority_vouches_for(settings):
    async with started(settings):
        await all_answer(settings)
        curl = await asyncio.create_subprocess_exec(
            *(
                "curl",
                "--silent",
                "--noproxy",
                "*",
                "--cacert",
                str(settings.home / "ca.crt"),
                "--write-out",
                "%{http_code}",
                "--output",
                "/dev/null",
            ),
            f"https://skypanel.localhost:{settings.address.https_port}/",
            stdout=asyncio.subprocess.PIPE,
        )
        answer, _ = await curl.communicate()
    assert (curl.returncode, answer) == (0, b"503")
