"""Where a lab's images come from, as its own labels tell; or as is asked where there is no lab."""

from __future__ import annotations

from swarmlab import engine as engines
from swarmlab import labels, state
from swarmlab.cluster import refusing
from swarmlab.errors import EngineUnreachable
from swarmlab.images import sources
from swarmlab.images.sources import Sources
from swarmlab.providers.problems import explained
from swarmlab.words import say


def images(name: str, catalog: str = "") -> Sources:
    """The sources of the lab of that name; of a new one, with `catalog`, where there is none.

    Without an engine there is no lab to ask. Raises UsageError when the lab was made with another
    catalog than the one asked for.
    """
    asked = sources.wanted(sources.asked(catalog))
    try:
        engine = engines.connect()
    except EngineUnreachable:
        return asked
    try:
        api, of = engine.client.api, labels.of(state.checked(name))
        with explained(say("looking for the lab")):
            listed = [*api.networks(filters=of), *api.containers(all=True, filters=of)]
    finally:
        engine.client.close()
    if not listed:
        return asked
    found = sources.told(listed)
    refusing.other_images(name, found, Sources(asked.catalog))
    return found
