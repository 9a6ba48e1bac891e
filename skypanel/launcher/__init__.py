"""The one privileged process of an embedded panel: it makes the sandboxes that builds and dynos run in."""
