"""Whether what runs of an app is what should, and its route leads to just that."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from skypanel.domain.manifest import WEB, Dyno, DynoKey, DynoState


@dataclass(frozen=True)
class Standing:
    """What should run of an app, what does, and where its route leads (host:port)."""

    wanted: frozenset[DynoKey] = frozenset()
    dynos: Sequence[Dyno] = ()
    endpoints: Sequence[str] = ()

    def converged(self) -> bool:
        """Whether exactly the wanted dynos run and the route leads to the web dynos among them."""
        return self._runs_what_it_should() and set(self.endpoints) == {dyno.endpoint for dyno in self._web()}

    def own_endpoints(self) -> tuple[str, ...]:
        """Return where the route leads without what is no dyno of this app."""
        own = {dyno.endpoint for dyno in self.dynos}
        return tuple(endpoint for endpoint in self.endpoints if endpoint in own)

    def waits(self) -> bool:
        """Whether all that can be done may have been done already: the dynos are there, and start again by themselves.

        Where the web dynos are up all that is missing is their route, for which nobody is to wait.
        """
        return self._runs_what_it_should() and any(dyno.state is not DynoState.UP for dyno in self._web())

    def _runs_what_it_should(self) -> bool:
        return {dyno.key for dyno in self._alive()} == self.wanted

    def _web(self) -> Collection[Dyno]:
        return [dyno for dyno in self._alive() if dyno.key.process_type == WEB]

    def _alive(self) -> Collection[Dyno]:
        return [dyno for dyno in self.dynos if dyno.state is not DynoState.STOPPING]
