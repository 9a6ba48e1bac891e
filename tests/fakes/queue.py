from collections import Counter


class FakeQueue:
    """Counts the wake-ups of each job."""

    def __init__(self):
        self.woken = Counter()

    async def wake(self, job):
        self.woken[job] += 1
