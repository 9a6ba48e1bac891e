"""The output of builds and rollouts, live and archived."""
