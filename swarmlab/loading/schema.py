"""The JSON schema of `lab.yaml`, for editors: made from what the loader and the checks know.

Field names are the loader's own, check names and parameters those of `swarmlab.checks`, so an
editor completes and underlines what `swarmlab lab lint` would say. It says less than lint: what
must fit together (ids, texts, later steps) no schema can hold.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from swarmlab import expressions
from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.kinds import ONE_OF
from swarmlab.checks.parameters import signature
from swarmlab.loading import build, mistakes
from swarmlab.loading.fields import SLUG
from swarmlab.model import Where
from swarmlab.size import MANAGERS

VERSION = 1
NAME = f"lab-{VERSION}.json"

Schema = dict[str, Any]

# A plain number or `true` is taken as it is written where text is asked.
_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_EXPRESSION: Schema = {**_TEXT, "format": "regex", "maxLength": expressions.MOST_LETTERS}
_FILLED: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_SLUG: Schema = {"type": ["string", "number", "boolean"], "pattern": rf"^{SLUG.pattern}$"}
_PLAIN: Mapping[Any, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}


def schema() -> Schema:
    """The whole schema (JSON Schema draft 7, which every editor's YAML support reads)."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A swarmlab lab",
        "description": "lab.yaml of a lab: what is typed, and what must then be true.",
        **_object("lab", _LAB, build.LAB, ("id", "title", "version", "steps")),
        "definitions": {
            "step": _object("step", _STEP, build.STEP, ("number", "id", "title", "commands")),
            "command": _object("command", _COMMAND, build.COMMAND, ("run",)),
            "reset": _object(
                "reset", {name: _COMMAND[name] for name in build.RESET}, build.RESET, ("run",)
            ),
            "check": _use(CHECKS),
            "observer": _use(OBSERVERS),
            "mistake": _object(
                "mistake", _MISTAKE, mistakes.FIELDS, ("id", "title", "run", "caught_by", "hint")
            ),
        },
    }


def _list(of: str, least: int = 0) -> Schema:
    items: Schema = {"type": "array", "items": {"$ref": f"#/definitions/{of}"}}
    return {**items, "minItems": least} if least else items


def _told(field: Schema, description: str) -> Schema:
    return {**field, "description": description}


def _seconds(low: float) -> Schema:
    return {"type": "number", "minimum": low, "maximum": build.MAX_TIMEOUT}


_LAB: Mapping[str, Schema] = {
    "id": _told(_SLUG, "Small letters, digits and hyphens."),
    "title": _told(_FILLED, "What the lab is called."),
    "version": _told(_FILLED, "Changes whenever the lab does."),
    "managers": _told(
        {"type": "integer", "minimum": 1, "maximum": max(MANAGERS)},
        "How many managers the steps need, at the least.",
    ),
    "steps": _told(_list("step", 1), "In order, numbers rising."),
}
_STEP: Mapping[str, Schema] = {
    "number": _told(
        {"type": "integer", "minimum": 1, "maximum": 999}, "Higher than those before it."
    ),
    "id": _told(_SLUG, "Names the step's text file: text/en/NN-ID.md."),
    "title": _told(_FILLED, "What the step does."),
    "section": _told(_TEXT, "The chapter's section it belongs to."),
    "commands": _told(_list("command", 1), "What is typed, in order, in one shell."),
    "checks": _told(_list("check"), "Hold from the step's end on."),
    "reset": _told(_list("reset"), "Bring the state to just before the step, from any state."),
    "reset_covered_by": _told(
        {"type": "array", "items": _FILLED}, "Earlier steps whose reset undoes this one as well."
    ),
    "mistakes": _told(_list("mistake"), "Wrong moves, and the checks that catch them."),
    "question": _told(_TEXT, "One to think about; needs an answer."),
    "answer": _told(_TEXT, "What a teacher hopes to hear."),
    "minutes": _told(
        {"type": "number", "minimum": 0, "maximum": build.MAX_MINUTES}, "What a class takes."
    ),
    "demonstrate": _told(_TEXT, "What a teacher shows."),
    "nudge": _told(_TEXT, "The first hint of a guided tour: which way to think."),
    "pointer": _told(_TEXT, "The second hint: what to use. The third is the commands."),
}
_COMMAND: Mapping[str, Schema] = {
    "id": _told(_SLUG, "Its name in the text; default c1, c2, ... by position."),
    "run": _told(_FILLED, "What is typed: bash, several lines if need be."),
    "where": _told(
        {"enum": [where.value for where in Where]},
        "On the host only `swarmlab down` can be run.",
    ),
    "exit_codes": _told(
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
        "Those that count as done; []: any. Default [0].",
    ),
    "timeout": _told(_seconds(0.1), "Seconds; default 120."),
    "checks": _told(_list("check"), "Looked at right after the command, only then."),
    "during": _told(_list("observer"), "Watch until the command and its checks are over."),
}
_CHECK: Mapping[str, Schema] = {
    "id": _told(_SLUG, "Unique in the step."),
    "title": _told(_FILLED, "The claim, as a sentence."),
    "within": _told(_seconds(0), "Seconds it may take to become true; default 20."),
    "until": _told(_SLUG, "Id of the later step that ends the claim."),
    "needs": _told(
        {"type": "array", "items": _FILLED}, "Checks of this step without which it has no sense."
    ),
    "hint": _told(_TEXT, "What to do when it fails."),
    "weight": _told({"type": "number", "minimum": 0, "maximum": 1000}, "For grading; default 1."),
    "before": _told(
        _EXPRESSION, "A regular expression: what it must see while the step is to be done."
    ),
    "untouched": _told(
        {"type": "boolean"}, "With `before`: whether it holds where nothing was done at all."
    ),
}
_MISTAKE: Mapping[str, Schema] = {
    "id": _told(_SLUG, "Unique in the step."),
    "title": _told(_FILLED, "What was done wrong."),
    "run": _told(_FILLED, "What is typed to make it."),
    "instead": _told(_TEXT, "Id of the command in whose place it is typed."),
    "after": _told(_TEXT, "Id of the command after which it is typed; default: the whole step."),
    "go_on": _told({"type": "boolean"}, "Whether the rest of the step is typed, too."),
    "caught_by": _told(_FILLED, "Id of the check that must fail then, or STEP/CHECK."),
    "also": _told(
        {"type": "array", "items": _FILLED}, "Other checks that fail then, named in the same way."
    ),
    "seen": _told(_EXPRESSION, "A regular expression, found in what the check saw."),
    "hint": _told(_FILLED, "What to tell whoever made it."),
}


def _object(
    what: str, fields: Mapping[str, Schema], names: tuple[str, ...], required: tuple[str, ...]
) -> Schema:
    """A mapping with exactly the loader's fields; optional ones may be left empty."""
    if missing := [name for name in names if name not in fields]:
        raise LookupError(f"the schema says nothing of {what}'s {', '.join(missing)}")
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {
            name: fields[name] if name in required else _or_empty(fields[name]) for name in names
        },
    }


def _or_empty(field: Schema) -> Schema:
    if field.get("pattern") == _SLUG["pattern"]:
        field = {**field, "pattern": rf"^(?:{SLUG.pattern})?$"}
    if "enum" in field:
        return {**field, "enum": [*field["enum"], "", None]}
    kinds = field["type"]
    return {**field, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}


def _use(catalog: Mapping[str, Any]) -> Schema:
    """The use of a check or observer: for each name, its own parameters under `with`."""
    names = sorted(catalog)
    known = {
        **_CHECK,
        "check": _told({"type": "string", "enum": names}, "What is looked at."),
        "with": _told({"type": "object"}, "Its parameters."),
    }
    use = _object("check", known, build.CHECK, ("id", "check", "title"))
    return {**use, "allOf": [_only(name, catalog[name]) for name in names]}


def _only(name: str, function: Any) -> Schema:
    hints, needed = signature(name)
    parameters: Schema = {
        "type": ["object", "null"],
        "description": inspect.getdoc(function) or "",
        "additionalProperties": False,
        "properties": {one: of_type(hint) for one, hint in hints.items()},
    }
    then: Schema = {"properties": {"with": parameters}}
    if needed:
        parameters |= {"type": "object", "required": needed}
        then["required"] = ["with"]
    if name in ONE_OF:
        some = [{"required": [one], "properties": {one: {"type": "array"}}} for one in ONE_OF[name]]
        parameters |= {"type": "object", "anyOf": some}
        then["required"] = ["with"]
    return {
        "if": {"properties": {"check": {"const": name}}, "required": ["check"]},
        "then": then,
    }


def of_type(hint: Any) -> Schema:
    """The schema of a parameter's type. Raises KeyError for one that no check uses yet."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        found = of_type(inner[0])
        for rule in inner[1:]:
            found |= rule.schema()
        return found
    if origin in (Union, types.UnionType):
        return {"anyOf": [of_type(one) for one in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": of_type(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": of_type(inner[1])}
    return dict(_PLAIN[hint])


def text() -> str:
    """The schema as the file that is published."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
