"""Builds and dynos in sandboxes of this machine, which the launcher makes."""
