"""The published form of results, as tests hold every result to it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).resolve().parent.parent / "docs" / "schemas"


def schema(name: str) -> dict[str, Any]:
    """A published schema."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return found


@cache
def _validator(name: str) -> Any:
    """A validator that also refuses what the schema does not tell of.

    The published one lets fields be added; that none is added in silence is for tests.
    """
    closed = _closed(schema(name))
    jsonschema.Draft202012Validator.check_schema(closed)
    return jsonschema.Draft202012Validator(closed)


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _closed(one) for name, one in part.items()}
    if part.get("type") == "object" and "properties" in part:
        found["additionalProperties"] = False
    return found


def broken(data: Any, name: str = "result-1") -> list[str]:
    """What in `data` is not as that schema says."""
    return [f"{one.json_path}: {one.message}" for one in _validator(name).iter_errors(data)]
