"""A Docker daemon: images, builds in containers, and what they are made of."""
