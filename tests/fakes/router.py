from skypanel.domain.errors import Unavailable


class FakeRouter:
    """Confirms every route at once, unless `broken`. `routes` has the last confirmed ones, by app id."""

    def __init__(self, *, broken=False):
        self.routes = {}
        self.broken = broken

    async def confirm(self, routes, timeout_s=10.0):
        if self.broken:
            raise Unavailable("The proxy does not answer.")
        for route in routes:
            if route.endpoints:
                self.routes[route.app_id] = route
            else:
                self.routes.pop(route.app_id, None)
