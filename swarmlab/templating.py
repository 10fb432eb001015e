"""Pages out of templates, for results and for handouts: one way of filling them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LANGUAGE_TAGS = {"en": "en", "zh": "zh-Hans"}
"""The languages' names as HTML has them."""


def environment(folder: Path, **filters: Any) -> Any:
    """The templates of a folder, with these filters; whatever a template is given is escaped,
    and a name that it is not given is an error."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters.update(filters)
    return made
