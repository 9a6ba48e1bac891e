"""The one privileged process of an embedded panel. It makes the sandboxes of builds and dynos."""
