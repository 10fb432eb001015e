"""The published schema says what the loader says, and is as the code is now."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.parameters import Fault, signature
from swarmlab.checks.parameters import faults as of_parameters
from swarmlab.loading import nodes, schema
from swarmlab.loading.build import Builder
from swarmlab.loading.fields import Notes

ROOT = Path(__file__).resolve().parent.parent
LABS = [
    ROOT / "labs" / "service-discovery",
    ROOT / "docs" / "examples" / "hello-swarm",
    ROOT / "tests" / "packs" / "tiny",
    ROOT / "swarmlab" / "templates" / "lab",
]
VALIDATOR = jsonschema.Draft7Validator(schema.schema())


def tree(path: Path) -> Any:
    root = nodes.parse(path.read_bytes(), Notes("").at)
    assert root is not None
    return nodes.plain(root)


def valid(lab: Any) -> bool:
    return bool(VALIDATOR.is_valid(lab))


class AnyImage(dict[str, str]):
    """An image of every name."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> str:
        return name


def parameters(name: str, params: Mapping[str, Any], during: bool) -> list[Fault]:
    return of_parameters(name, params, during=during)


def sound(lab: Any) -> bool:
    """What the loader says of the same; JSON is YAML."""
    notes = Notes("lab.yaml")
    root = nodes.parse(json.dumps(lab, ensure_ascii=False).encode(), notes.at)
    assert root is not None
    Builder(notes, AnyImage(), parameters).lab(root)
    return not notes.problems


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema.schema())


def test_the_published_file_is_as_the_code_is() -> None:
    published = ROOT / "docs" / "schemas" / schema.NAME
    assert published.read_text(encoding="utf-8") == schema.text()


@pytest.mark.parametrize("folder", LABS, ids=lambda path: path.name)
def test_labs_are_valid_and_name_the_schema(folder: Path) -> None:
    path = folder / "lab.yaml"
    errors = [error.message for error in VALIDATOR.iter_errors(tree(path))]
    assert errors == []
    first = path.read_text(encoding="utf-8").splitlines()[0]
    marker, _, target = first.partition("$schema=")
    assert marker == "# yaml-language-server: "
    # A new lab gets a copy of its own beside it.
    assert target == schema.NAME or (folder / target).resolve().is_file()


@pytest.mark.parametrize("name", [*CHECKS, *OBSERVERS])
def test_every_check_is_known_with_its_parameters(name: str) -> None:
    group = "observer" if name in OBSERVERS else "check"
    uses = schema.schema()["definitions"][group]["allOf"]
    (use,) = [one for one in uses if one["if"]["properties"]["check"]["const"] == name]
    hints, needed = signature(name)
    parameters = use["then"]["properties"]["with"]
    assert set(parameters["properties"]) == set(hints)
    assert parameters.get("required", []) == needed
    assert parameters["description"]


LEFT_OUT = object()
WRONG: tuple[Any, ...] = ({}, [{}], -7, "", "two words ", True, 1.5, None)


def mutations(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Where and what: each mapping's fields left out, strange ones put in, values of wrong kind."""
    if isinstance(value, dict):
        yield (*path, "strange"), "x"
        for key, inner in value.items():
            yield (*path, key), LEFT_OUT
            for wrong in WRONG:
                yield (*path, key), wrong
            yield from mutations(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index), [[]]
            yield from mutations(inner, (*path, index))


def changed(lab: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(lab)
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    if value is LEFT_OUT:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made


# What a schema cannot hold: what must fit together, and what only an image's name would tell.
TOGETHER = {
    "id", "until", "needs", "caught_by", "instead", "after", "go_on", "seen", "where", "run",
    "question", "answer", "reset", "reset_covered_by", "checks", "number",
}  # fmt: skip


def test_the_schema_and_the_loader_agree_on_every_slip() -> None:
    lab = tree(ROOT / "tests" / "packs" / "tiny" / "lab.yaml")
    assert valid(lab) and sound(lab)
    looked = 0
    for path, value in mutations(lab):
        made = changed(lab, path, value)
        by_schema, by_loader = valid(made), sound(made)
        where = f"{'.'.join(map(str, path))} = {value!r}"
        if by_loader:
            assert by_schema, f"an editor would complain where the loader does not: {where}"
        elif not TOGETHER & set(path):
            assert not by_schema, f"an editor would be silent where the loader complains: {where}"
        looked += 1
    assert looked > 500


def test_an_unforeseen_field_or_type_stops_the_schema() -> None:
    with pytest.raises(LookupError, match="colour"):
        schema._object("step", {}, ("colour",), ())
    with pytest.raises(KeyError):
        schema.of_type(bytes)
