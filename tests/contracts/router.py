"""The contract of the port Router.

A subclass provides the fixtures `router`, `new_route`, `publish` and `router_without_proxy`. `new_route` makes a valid route. `publish`
sets the routes that the proxy gets when it polls.
"""

import time
from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest

from skypanel.domain.errors import Unavailable
from skypanel.domain.routing import Route

TIMEOUT_S = 0.5
SLACK_S = 20.0
PORTS = count(1)


async def free_route(endpoints=1, host="contract.localhost", app_id=None):
    """Make a route whose endpoints need not exist."""
    return Route(app_id or uuid4(), (host,), tuple(f"127.0.0.1:{next(PORTS)}" for _ in range(endpoints)))


def without_endpoints(route):
    return Route(route.app_id, route.hosts, ())


class RouterContract:
    @pytest.fixture
    def new_route(self):
        return free_route

    async def test_a_published_route_is_confirmed_and_may_be_again(self, router, publish, new_route):
        wanted = await new_route(2)
        publish(wanted)
        await router.confirm([wanted])
        await router.confirm([wanted])

    async def test_a_route_that_moves_is_confirmed(self, router, publish, new_route):
        old = await new_route()
        new = await new_route(app_id=old.app_id)
        for each in (old, new):
            publish(each)
            await router.confirm([each])

    async def test_a_route_whose_hostname_changes_is_confirmed(self, router, publish, new_route):
        old = await new_route(host="old.localhost")
        new = replace(old, hosts=("new.localhost",))
        publish(old)
        await router.confirm([old])
        publish(new)
        await router.confirm([new])

    async def test_a_route_that_gets_another_hostname_is_confirmed(self, router, publish, new_route):
        one = await new_route()
        several = replace(one, hosts=(*one.hosts, "www.example.com", "xn--bcher-kva.example.com"))
        for each in (one, several, one):
            publish(each)
            await router.confirm([each])

    async def test_several_are_confirmed_together(self, router, publish, new_route):
        wanted = [await new_route(host=f"{name}.localhost") for name in ("one", "two")]
        publish(*wanted)
        await router.confirm(wanted)
        await router.confirm([])

    async def test_a_route_without_endpoints_is_confirmed_once_it_is_gone(self, router, publish, new_route):
        wanted = await new_route()
        publish(wanted)
        await router.confirm([wanted])
        publish()
        await router.confirm([without_endpoints(wanted), Route(wanted.app_id, (), ())])
        await router.confirm([Route(uuid4(), ("contract.localhost",), ())])

    async def test_without_a_proxy_nothing_is_confirmed(self, router_without_proxy, new_route):
        wanted = await new_route()
        before = time.monotonic()
        for each in (wanted, without_endpoints(wanted)):
            with pytest.raises(Unavailable):
                await router_without_proxy.confirm([each], TIMEOUT_S)
        assert time.monotonic() - before < 2 * (TIMEOUT_S + SLACK_S)
