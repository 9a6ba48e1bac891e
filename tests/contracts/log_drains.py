"""The contract of the port LogDrains.

A subclass provides the fixtures `drains`, `url`, `gone`, `networks` and `received`. A server at `url` takes lines, and nothing answers at
`gone`; both are in `networks`. `received` returns the texts that arrived.
"""

import pytest

from skypanel.domain.errors import Denied, Unavailable
from skypanel.domain.log_drain import Message, Shipment
from tests.support.until import until


def shipment(*texts):
    messages = [Message("2024-01-01T00:00:00.000000+00:00", "app", "web.1", text) for text in texts]
    return Shipment("11111111-1111-1111-1111-111111111111", "d.22222222-2222-2222-2222-222222222222", messages)


class LogDrainsContract:
    async def test_lines_arrive_in_order(self, drains, url, networks, received):
        await drains.check(url, networks)
        connection = drains.open(url)
        await connection.send(shipment("one", "two"), networks)
        await connection.send(shipment("three"), networks)
        await until(lambda: received() == ["one", "two", "three"])
        await connection.close()

    async def test_a_server_that_does_not_answer_is_unavailable(self, drains, gone, networks):
        with pytest.raises(Unavailable):
            await drains.open(gone).send(shipment("one"), networks)

    async def test_what_is_not_public_is_refused_unless_it_is_allowed(self, drains, url, received):
        with pytest.raises(Denied, match="is not a public server"):
            await drains.check(url, ())
        with pytest.raises(Denied, match="is not a public server"):
            await drains.open(url).send(shipment("one"), ())
        assert received() == []
