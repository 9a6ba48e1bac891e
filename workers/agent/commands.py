"""The agent's commands."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.agent.agent import Agent
from workers.agent.docker import Docker
from workers.agent.errors import Refused, end_with_any_loop
from workers.agent.membership import join, leave
from workers.agent.panel import Panel
from workers.agent.supervisor import start, stop


def run(config: str) -> None:
    """Run the agent in this process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    end_with_any_loop()
    settings = json.loads(Path(config).read_text())
    Agent(Docker(), Panel(settings), settings["base"]).run()


ACTIONS: dict[str, Callable[..., None]] = {"run": run, "start": start, "stop": stop, "join": join, "leave": leave}


def main(argv: Sequence[str]) -> None:
    """Run the command of the first argument."""
    try:
        ACTIONS[argv[0]](*argv[1:])
    except Refused as error:
        sys.exit(str(error))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
