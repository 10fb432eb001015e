"""A read-only image registry over the node's preloaded store.

A service names an image by tag; Swarm wants to pin it to a digest and asks a registry for it.
This one answers on the node itself, for the images that every node holds, so that no request
leaves the lab. A layer is put together again from the files in the store when somebody pulls it.
"""
