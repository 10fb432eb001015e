"""The seed of tests that try moves or moments at random; the same in all of pytest's workers."""

from __future__ import annotations

import os
import random

NAME = "SWARMLAB_SEED"


def chosen() -> int:
    """The seed from the environment, which gets a new one when it has none."""
    return int(os.environ.setdefault(NAME, str(random.SystemRandom().randrange(10**6))))


SEED = chosen()
