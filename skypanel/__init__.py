"""SkyPanel: a git-push platform on your own machines."""
