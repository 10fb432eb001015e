"""Images: what they are (catalog), how they come to be (base, builder), and the preloaded store.

Every image carries a key made of its content in its tag, so a second build does nothing and two
versions of swarmlab share one engine without getting in each other's way.
"""
