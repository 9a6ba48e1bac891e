"""`python -m skypanel.launcher` runs until SIGTERM, then stops everything that it started."""

import asyncio
import os
import sys

from skypanel.launcher import rootless, signals
from skypanel.launcher.life import live
from skypanel.launcher.options import parse_options


def main() -> None:
    """Run the launcher in a mount namespace of its own, so that no mount outlives it.

    Without root it also gets a user namespace and a network namespace.
    """
    signals.reset_signals()
    options = parse_options(sys.argv[1:])
    inner = (sys.executable, "-m", "skypanel.launcher", *sys.argv[1:], "--inner")
    if options.inner:
        asyncio.run(live(options))
    elif os.geteuid() != 0:
        sys.exit(asyncio.run(rootless.run(options, inner)))
    else:
        os.execvp("unshare", ("unshare", "--mount", "--propagation", "private", "--", *inner))  # noqa: S606 - it replaces this process


if __name__ == "__main__":
    main()
