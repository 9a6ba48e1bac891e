"""The contract of the port Clock. A subclass provides the fixture `clock`."""

from datetime import timedelta


class ClockContract:
    async def test_the_time_is_in_utc(self, clock):
        assert clock.now().utcoffset() == timedelta(0)

    async def test_it_never_goes_back(self, clock):
        before = clock.now()
        assert clock.now() >= before
