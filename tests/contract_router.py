"""What every Router driver does.

A subclass has fixtures `router`, `publish`, which shows all routes there are to whom the proxy asks
for them, and `router_without_proxy`.
"""

import time
from uuid import uuid4

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import Route

TIMEOUT_S = 0.5
SLACK_S = 2.0


def route(*endpoints, host="contract.localhost", app_id=None):
    return Route(app_id or uuid4(), (host,), endpoints)


class RouterContract:
    async def test_a_published_route_is_confirmed_and_may_be_again(self, router, publish):
        wanted = route("127.0.0.1:1", "127.0.0.1:2")
        publish(wanted)
        await router.confirm([wanted])
        await router.confirm([wanted])

    async def test_a_route_that_moves_is_confirmed(self, router, publish):
        old = route("127.0.0.1:1")
        new = route("127.0.0.1:2", app_id=old.app_id)
        for each in (old, new):
            publish(each)
            await router.confirm([each])

    async def test_a_route_whose_hostname_changes_is_confirmed(self, router, publish):
        old = route("127.0.0.1:1", host="old.localhost")
        new = route("127.0.0.1:1", host="new.localhost", app_id=old.app_id)
        publish(old)
        await router.confirm([old])
        publish(new)
        await router.confirm([new])

    async def test_several_are_confirmed_together(self, router, publish):
        wanted = [route("127.0.0.1:1", host=f"{name}.localhost") for name in ("one", "two")]
        publish(*wanted)
        await router.confirm(wanted)
        await router.confirm([])

    async def test_a_route_without_endpoints_is_confirmed_once_it_is_gone(self, router, publish):
        wanted = route("127.0.0.1:1")
        publish(wanted)
        await router.confirm([wanted])
        publish()
        await router.confirm([route(app_id=wanted.app_id), Route(wanted.app_id, (), ())])
        await router.confirm([route()])

    async def test_without_a_proxy_nothing_is_confirmed(self, router_without_proxy):
        before = time.monotonic()
        for wanted in (route("127.0.0.1:1"), route()):
            with pytest.raises(Unavailable):
                await router_without_proxy.confirm([wanted], TIMEOUT_S)
        assert time.monotonic() - before < 2 * (TIMEOUT_S + SLACK_S)
