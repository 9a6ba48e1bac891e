"""Other machines, and SSH keys."""
