"""How git is called: its configuration, limits and environment, as values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitreceiver.command import Command
from skypanel.domain.errors import Unavailable
from skypanel.domain.limits import GIB

HOOKS = Path(__file__).parent / "hook"


@dataclass(frozen=True)
class GitLimits:
    """Bounds of one git process. A pack's bytes are counted compressed, as they come."""

    memory_bytes: int = GIB
    cpu_s: int = 15 * 60
    pack_bytes: int = GIB


def check_hook() -> None:
    """Raise Unavailable if git would pass over the hook, and so store pushes without asking anybody."""
    if not os.access(HOOKS / "pre-receive", os.X_OK):
        raise Unavailable(f"{HOOKS / 'pre-receive'} is not executable.", f"Run: chmod +x {HOOKS / 'pre-receive'}")


def git_config(limits: GitLimits) -> Mapping[str, str]:
    """Return the configuration of every git process; repositories have none of their own."""
    return {
        "core.bigFileThreshold": "8m",
        "core.hooksPath": str(HOOKS),
        # Windows of 1 GiB, git's default, would not fit into the address space it gets.
        "core.packedGitWindowSize": "32m",
        "core.packedGitLimit": "256m",
        "pack.threads": "2",
        "pack.windowMemory": "128m",
        "receive.advertisePushOptions": "true",
        "receive.autogc": "false",
        "receive.denyCurrentBranch": "ignore",
        "receive.denyDeleteCurrent": "ignore",
        "receive.maxInputSize": str(limits.pack_bytes),
        "receive.shallowUpdate": "true",
        "safe.directory": "*",
        "transfer.fsckObjects": "true",
        "uploadpack.allowFilter": "true",
        # How a clone without its files asks for them later; versions 0 and 1 of the protocol take refs alone otherwise.
        "uploadpack.allowAnySHA1InWant": "true",
        # Old and harmless faults of real histories: Flask's first commits have them.
        "receive.fsck.zeroPaddedFilemode": "ignore",
        "receive.fsck.badTimezone": "ignore",
        "receive.fsck.missingSpaceBeforeDate": "ignore",
    }


def argv(command: Command, path: str, limits: GitLimits) -> tuple[str, ...]:
    """Return the command line that serves the repository at `path`."""
    settings = (part for key, value in git_config(limits).items() for part in ("-c", f"{key}={value}"))
    bounds = ("prlimit", f"--as={limits.memory_bytes}", f"--cpu={limits.cpu_s}", "--core=0")
    return (*bounds, "git", *settings, command.service.value, *command.options, path)


def environment(protocol: str | None, descriptors: Mapping[str, int]) -> dict[str, str]:
    """Return all that git and its hook get to see of the outside.

    `protocol` is the client's GIT_PROTOCOL; `descriptors` are the hook's pipes by name.
    """
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ADVICE": "0",
    }
    if protocol:
        variables["GIT_PROTOCOL"] = protocol
    return variables | {name: str(number) for name, number in descriptors.items()}
