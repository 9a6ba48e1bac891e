"""How the receiver calls git: configuration, limits and environment, as values."""

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
    """Limits of one git process. `pack_bytes` counts a pack compressed, as it arrives."""

    memory_bytes: int = GIB
    cpu_s: int = 15 * 60
    pack_bytes: int = GIB


def check_hook() -> None:
    """Raise Unavailable if git would skip the hook: it would then store pushes that nobody checked."""
    if not os.access(HOOKS / "pre-receive", os.X_OK):
        raise Unavailable(f"{HOOKS / 'pre-receive'} is not executable.", f"Run: chmod +x {HOOKS / 'pre-receive'}")


def git_config(limits: GitLimits) -> Mapping[str, str]:
    """Return the configuration of every git process. Repositories have no configuration of their own."""
    return {
        "core.bigFileThreshold": "8m",
        "core.hooksPath": str(HOOKS),
        # Git's default windows of 1 GiB would not fit into its limit of address space.
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
        # Partial clones request missing objects this way. Without it, protocol versions 0 and 1 serve refs only.
        "uploadpack.allowAnySHA1InWant": "true",
        # Harmless faults in the history of old projects, such as Flask's first commits.
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
    """Return the whole environment of git and its hook.

    `protocol` is the client's GIT_PROTOCOL; `descriptors` are the file descriptors of the hook's pipes by name.
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
