class FakeMetrics:
    """Measures what a test put into `uses`."""

    def __init__(self):
        self.uses = []

    async def measure(self):
        return self.uses


class FakeProcesses:
    """Measures what a test put into `uses`."""

    def __init__(self):
        self.uses = []

    async def measure(self):
        return self.uses
