"""The agent as a program.

agent run CONFIG      do all that an agent does until it is stopped
agent start CONFIG    the same in the background, started again whenever it ends, for machines without systemd
agent stop            stop what `start` started
agent join            join the Swarm by what standard input says (JSON: address, token), and print the member's id
agent leave           leave the Swarm
"""

import sys

from workers.agent.commands import main

if __name__ == "__main__":
    main(sys.argv[1:])
