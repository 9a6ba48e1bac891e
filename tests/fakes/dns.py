from skypanel.domain.dns import Fault, Lookup

EXPLAINED = {Fault.BOGUS: "signature expired"}
MAX_ALIASES = 8


class FakeDns:
    """Answers with the records that were put. Names without any do not exist."""

    def __init__(self):
        self.records = {}
        self.faults = {}
        self.resolvers = ()
        self.asked = []

    def put(self, name, kind, *values):
        self.records[name, kind] = values

    def fail(self, name, fault):
        self.faults[name] = fault

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
