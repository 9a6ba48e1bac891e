from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that only tests advance."""

    def __init__(self, now=datetime(2024, 1, 1, tzinfo=UTC)):
        self._now = now

    def now(self):
        return self._now

    def advance(self, seconds):
        self._now += timedelta(seconds=seconds)
