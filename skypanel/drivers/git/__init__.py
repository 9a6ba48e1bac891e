"""Drivers for git repositories: the panel's own, and those on other servers."""
