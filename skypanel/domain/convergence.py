"""Whether an app's dynos and route are as they should be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from skypanel.domain.manifest import WEB, Dyno, DynoKey, DynoState


@dataclass(frozen=True)
class Convergence:
    """The dynos that an app should run, those it runs, and the endpoints (host:port) of its route."""

    wanted: frozenset[DynoKey] = frozenset()
    dynos: Sequence[Dyno] = ()
    endpoints: Sequence[str] = ()

    def converged(self) -> bool:
        """Whether exactly the wanted dynos run, and the route has the endpoints of the web dynos among them."""
        return self._runs_what_it_should() and set(self.endpoints) == {dyno.endpoint for dyno in self._web()}

    def own_endpoints(self) -> tuple[str, ...]:
        """Return the route's endpoints without those that belong to no dyno of this app."""
        own = {dyno.endpoint for dyno in self.dynos}
        return tuple(endpoint for endpoint in self.endpoints if endpoint in own)

    def waits(self) -> bool:
        """Whether everything possible may have been done: the dynos exist, and crashed ones restart by themselves.

        If all web dynos are up, only the route is missing, and waiting does not help: returns False.
        """
        return self._runs_what_it_should() and any(dyno.state is not DynoState.UP for dyno in self._web())

    def _runs_what_it_should(self) -> bool:
        return {dyno.key for dyno in self._alive()} == self.wanted

    def _web(self) -> Collection[Dyno]:
        return [dyno for dyno in self._alive() if dyno.key.process_type == WEB]

    def _alive(self) -> Collection[Dyno]:
        return [dyno for dyno in self.dynos if dyno.state is not DynoState.STOPPING]
