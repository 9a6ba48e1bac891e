"""The contract of the port Notifier.

A subclass provides the fixtures `notifier`, `url`, `failing`, `networks` and `shown`. A service at `url` takes messages, and one at
`failing` answers 500; both are in `networks`. `shown` returns the titles and texts that arrived.
"""

import pytest

from skypanel.domain.alert import TRIAL
from skypanel.domain.errors import Denied, Invalid, Unavailable


class NotifierContract:
    async def test_a_message_arrives_whole(self, notifier, url, networks, shown):
        assert await notifier.check(url) == "JSON"
        await notifier.send(url, TRIAL, networks)
        assert shown() == [(TRIAL.title, TRIAL.text)]

    async def test_a_service_that_refuses_is_unavailable_and_its_answer_is_told(self, notifier, failing, networks):
        with pytest.raises(Unavailable, match=r"it answered 500 \(Internal Server Error\)"):
            await notifier.send(failing, TRIAL, networks)

    async def test_what_is_not_public_is_refused_unless_it_is_allowed(self, notifier, url, shown):
        with pytest.raises(Denied, match="is not a public server"):
            await notifier.send(url, TRIAL, ())
        assert shown() == []

    @pytest.mark.parametrize("nonsense", ["nothing://example.com/k3y", "k3y", "syslog://", "json://", ""])
    async def test_what_leads_to_no_service_is_refused_without_being_shown(self, notifier, nonsense, networks):
        for attempt in (notifier.check, lambda url: notifier.send(url, TRIAL, networks)):
            with pytest.raises(Invalid) as refused:
                await attempt(nonsense)
            assert "k3y" not in f"{refused.value} {refused.value.hint}"
