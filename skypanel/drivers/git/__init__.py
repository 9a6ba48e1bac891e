"""Git repositories: the panel's own, and those of other servers."""
