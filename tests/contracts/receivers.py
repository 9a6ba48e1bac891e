"""The contract of the port Receivers.

A subclass provides the fixtures `receivers`, `url`, `gone`, `networks` and `posted`. A receiver at `url` answers 200, and nothing answers
at `gone`; both are in `networks`. `posted` returns the bodies that arrived.
"""

import pytest

from skypanel.domain.errors import Denied, Unavailable
from skypanel.domain.webhook import Posting


class ReceiversContract:
    async def test_a_body_arrives_and_the_status_of_the_answer_is_returned(self, receivers, url, networks, posted):
        await receivers.check(url, networks)
        assert await receivers.post(Posting(url, {"X-Test": "yes"}, b"a body", networks)) == 200
        assert posted() == [b"a body"]

    async def test_a_server_that_does_not_answer_is_unavailable(self, receivers, gone, networks):
        with pytest.raises(Unavailable):
            await receivers.post(Posting(gone, {}, b"a body", networks))

    async def test_what_is_not_public_is_refused_unless_it_is_allowed(self, receivers, url, posted):
        with pytest.raises(Denied, match="is not a public server"):
            await receivers.check(url, ())
        with pytest.raises(Denied, match="is not a public server"):
            await receivers.post(Posting(url, {}, b"a body", ()))
        assert posted() == []
