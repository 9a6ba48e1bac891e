from skypanel.domain.dns import Fault, Lookup, RecordType
from skypanel.domain.errors import Unavailable

EXPLAINED = {Fault.BOGUS: "signature expired"}
MAX_ALIASES = 8


class FakeDns:
    """Answers with the records that were put. Names without any do not exist. `lags` are servers of written names that have nothing yet."""

    def __init__(self):
        self.lags = []
        self.records = {}
        self.faults = {}
        self.resolvers = ()
        self.asked = []

    def put(self, name, kind, *values):
        self.records[name, kind] = values

    def fail(self, name, fault):
        self.faults[name] = fault

    async def look_up_each(self, name, kind, resolvers, timeout_s=8.0):
        return [await self.look_up(name, kind, resolvers), *self.lags]

    async def look_up(self, name, kind, resolvers, timeout_s=8.0):
        self.asked.append((name, str(kind)))
        aliases = []
        while True:
            if name in self.faults:
                return Lookup(aliases=tuple(aliases), fault=self.faults[name], detail=EXPLAINED.get(self.faults[name], ""))
            if values := self.records.get((name, kind)):
                return Lookup(values, tuple(aliases))
            alias = self.records.get((name, "CNAME"))
            if alias is None:
                exists = any(known == name for known, _ in self.records)
                return Lookup(aliases=tuple(aliases), fault=Fault.NO_RECORD if exists else Fault.NO_NAME)
            name = alias[0].removesuffix(".")
            if name in aliases or len(aliases) == MAX_ALIASES:
                return Lookup(aliases=(*aliases, name), fault=Fault.LOOP)
            aliases.append(name)


class FakeRecords:
    """Writes to a FakeDns. `refuses` is the reason why it takes nothing, or None. `access` is what it was opened with last."""

    def __init__(self, dns):
        self.dns, self.access, self.refuses = dns, None, None

    def open(self, access):
        self.access = access
        return self

    def shown(self, name):
        return set(self.dns.records.get((name, RecordType.TXT), ()))

    async def publish(self, name, value):
        self._set(name, self.shown(name) | {value})

    async def remove(self, name, value):
        self._set(name, self.shown(name) - {value})

    def _set(self, name, values):
        if self.refuses:
            raise Unavailable(self.refuses)
        self.dns.records.pop((name, RecordType.TXT), None)
        if values:
            self.dns.put(name, RecordType.TXT, *values)
