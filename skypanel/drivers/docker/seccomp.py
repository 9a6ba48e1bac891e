"""The seccomp filter of builds and dynos in Docker's format: https://docs.docker.com/engine/security/seccomp/."""

import json
from typing import Any

from skypanel.domain.syscalls import RULES, UNKNOWN, Argument, Rule

_ARCHITECTURES = ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")


def docker_profile() -> str:
    """Return the seccomp profile as JSON."""
    architectures = [{"architecture": name, "subArchitectures": []} for name in _ARCHITECTURES]
    rules = [_docker_rule(rule) for rule in RULES]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": UNKNOWN, "archMap": architectures, "syscalls": rules})


def _docker_rule(rule: Rule) -> dict[str, Any]:
    action = {"action": "SCMP_ACT_ERRNO", "errnoRet": rule.error} if rule.error else {"action": "SCMP_ACT_ALLOW"}
    return {"names": list(rule.calls), **action, "args": [_docker_argument(argument) for argument in rule.arguments]}


def _docker_argument(argument: Argument) -> dict[str, Any]:
    if argument.mask is None:
        return {"index": argument.number, "value": argument.value, "op": "SCMP_CMP_EQ"}
    return {"index": argument.number, "value": argument.mask, "valueTwo": argument.value, "op": "SCMP_CMP_MASKED_EQ"}
