"""swarmlab: a teaching lab with a real Docker Swarm cluster on one machine."""

__version__ = "0.1.0"
