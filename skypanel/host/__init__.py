"""What the panel shares with its launcher, the agents of its nodes and the containers of dynos. Standard library only."""
