"""Ways to the nodes of an engine on another machine, through that engine's own API."""
