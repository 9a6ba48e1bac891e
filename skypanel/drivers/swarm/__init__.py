"""Drivers for Docker Swarm: dynos as tasks on any number of nodes."""
