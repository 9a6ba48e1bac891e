"""The engines, which build and run apps."""

from enum import StrEnum


class EngineKind(StrEnum):
    """Sandboxes on the panel's own machine, or containers of a Docker Swarm."""

    EMBEDDED = "embedded"
    SWARM = "swarm"


class EndpointMode(StrEnum):
    """How names of Swarm services resolve: to each dyno's address, or to one virtual address. VIP needs IP_VS in the kernels."""

    DNSRR = "dnsrr"
    VIP = "vip"
