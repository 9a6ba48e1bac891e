"""What builds and runs apps."""

from enum import StrEnum


class EngineKind(StrEnum):
    """Sandboxes of the panel's own machine, or containers of a Docker Swarm."""

    EMBEDDED = "embedded"
    SWARM = "swarm"


class EndpointMode(StrEnum):
    """How services on a Swarm have names: an address for each dyno, or one for all where the kernels have IP_VS."""

    DNSRR = "dnsrr"
    VIP = "vip"
