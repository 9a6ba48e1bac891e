"""The agent as a program.

agent run CONFIG      run the agent until it is stopped.
agent start CONFIG    run it in the background under a supervisor, for machines without systemd.
agent stop            stop what `start` started.
agent join            join the Swarm that standard input describes (JSON: address, token), and print the member's id.
agent leave           leave the Swarm.
"""

import sys

from workers.agent.commands import main

if __name__ == "__main__":
    main(sys.argv[1:])
