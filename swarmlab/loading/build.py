"""From nodes to the lab: steps, commands, checks, mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from swarmlab import dialects
from swarmlab.loading import fitting, mistakes, nodes
from swarmlab.loading.fields import Fields, Notes, short, unquoted
from swarmlab.model import CheckSpec, Command, Mistake, Step, Where
from swarmlab.size import MANAGERS
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.checks.parameters import Fault

LAB = ("id", "title", "version", "managers", "steps")
STEP = (
    "number", "id", "title", "section", "commands", "checks", "reset", "reset_covered_by",
    "mistakes", "question", "answer", "minutes", "demonstrate", "nudge", "pointer",
)  # fmt: skip
COMMAND = ("id", "run", "where", "exit_codes", "timeout", "checks", "during")
# A reset is typed at the workstation, and what it leaves is proven by the step's own checks.
RESET = ("id", "run", "exit_codes", "timeout")
CHECK = (
    "id", "check", "title", "with", "within", "until", "needs", "hint", "weight", "before",
    "untouched",
)  # fmt: skip

# What the student's own machine is asked to run; anything else belongs into the workstation.
HOST_COMMANDS = ("swarmlab down",)

MAX_TIMEOUT = 3600.0
MAX_MINUTES = 600.0
# No check takes so many parameters.
MAX_PARAMETERS = 50

_IMAGE = re.compile(r"\{image\.([^{}\s]*)\}")

ParameterProblems = Callable[[str, Mapping[str, Any], bool], "Sequence[Fault]"]
"""Called with a check's name, its parameters and whether it is an observer (`during`)."""


class Builder:
    """Builds steps and notes every problem in `notes`."""

    def __init__(
        self, notes: Notes, images: Mapping[str, str], parameters: ParameterProblems
    ) -> None:
        self._notes = notes
        self._images = images
        self._parameters = parameters
        self._nodes = max(MANAGERS)
        # Where each step, command, check and mistake stands: see `fitting.Places`.
        self._places: dict[int, Fields] = {}

    def lab(self, root: nodes.Node) -> tuple[str, str, str, list[Step], int]:
        """Id, title, version and steps of the lab, and how many managers they need."""
        fields = Fields(self._notes, root, say("the lab"), LAB)
        lab_id, title, version = fields.slug("id"), fields.text("title"), fields.text("version")
        managers = fields.whole("managers", 1, max(MANAGERS)) if fields.value("managers") else 1
        self._nodes = managers or max(MANAGERS)
        items = fields.items("steps", required=True)
        steps = [self._step(item, position) for position, item in enumerate(items, 1)]
        fitting.together(self._notes, steps, self._places)
        mistakes.shown(steps, self._places)
        return lab_id, title, version, steps, managers or 1

    def _step(self, node: nodes.Node, position: int) -> Step:
        fields = Fields(self._notes, node, say("step {number}", number=position), STEP)
        number = fields.whole("number", 1, 999)
        if number is not None:
            fields.what = say("step {number}", number=number)
        commands = [
            self._command(
                item, say("{what}, command {number}", what=fields.what, number=place), f"c{place}"
            )
            for place, item in enumerate(fields.items("commands", required=True), 1)
        ]
        checks = [self._check(item, fields.what, False) for item in fields.items("checks")]
        reset = [
            self._command(
                item,
                say("{what}, reset {number}", what=fields.what, number=place),
                f"r{place}",
                RESET,
            )
            for place, item in enumerate(fields.items("reset"), 1)
        ]
        step = Step(
            number=number if number is not None else -position,
            id=fields.slug("id"),
            title=fields.text("title"),
            section=fields.text("section", ""),
            commands=tuple(commands),
            checks=tuple(checks),
            reset=tuple(reset),
            reset_covered_by=tuple(fields.texts("reset_covered_by")),
            mistakes=tuple(self._mistake(i, fields.what) for i in fields.items("mistakes")),
            question=fields.text("question", ""),
            answer=fields.text("answer", ""),
            minutes=fields.number("minutes", 0.0, 0.0, MAX_MINUTES),
            demonstrate=fields.text("demonstrate", ""),
            nudge=fields.text("nudge", ""),
            pointer=fields.text("pointer", ""),
        )
        if step.question and not step.answer:
            fields.wrong("question", say("a question needs an answer, for the teacher"))
        if step.answer and not step.question:
            fields.wrong("answer", say("an answer needs its question"))
        self._places[id(step)] = fields
        fitting.inside(fields, step, self._places)
        fitting.undone(step, fields)
        return step

    def _command(
        self, node: nodes.Node, what: str, default: str, known: Sequence[str] = COMMAND
    ) -> Command:
        fields = Fields(self._notes, node, what, known)
        run = self._images_in(fields.text("run"), fields.place("run"))
        where = Where.WORKSTATION
        if "where" in known:
            where = Where(fields.choice("where", [one.value for one in Where], where.value))
        if where is Where.HOST and run not in HOST_COMMANDS:
            some = say(" or ").join(f"`{one}`" for one in HOST_COMMANDS)
            fields.wrong("run", say("on the host only {commands} can be run", commands=some))
        command = Command(
            id=fields.slug("id", default),
            run=run,
            where=where,
            exit_codes=fields.codes("exit_codes", (0,)),
            timeout=fields.number("timeout", 120.0, 0.1, MAX_TIMEOUT),
            checks=tuple(self._check(item, what, False) for item in fields.items("checks")),
            during=tuple(self._check(item, what, True) for item in fields.items("during")),
        )
        self._places[id(command)] = fields
        return command

    def _check(self, node: nodes.Node, what: str, during: bool) -> CheckSpec:
        fields = Fields(self._notes, node, say("{what}, a check", what=what), CHECK)
        check_id = fields.slug("id")
        if check_id:
            fields.what = say("{what}, check {id!r}", what=what, id=check_id)
        spec = CheckSpec(
            id=check_id,
            check=fields.text("check"),
            title=fields.text("title"),
            params=self._with(fields, during),
            hint=fields.text("hint", ""),
            within=fields.number("within", 20.0, 0.0, MAX_TIMEOUT),
            until=fields.slug("until", "") or None,
            needs=tuple(fields.texts("needs")),
            weight=fields.number("weight", 1.0, 0.0, 1000.0),
            before=fields.pattern("before"),
            untouched=fields.flag("untouched"),
        )
        self._places[id(spec)] = fields
        return spec

    def _with(self, fields: Fields, during: bool) -> Mapping[str, Any]:
        """The parameters, compared with what the check takes."""
        node = fields.value("with")
        params: dict[str, Any] = {}
        if isinstance(node, nodes.Mapping):
            if len(node.entries) > MAX_PARAMETERS:
                fields.wrong(
                    "with", say("with has more than {most} parameters", most=MAX_PARAMETERS)
                )
                return MappingProxyType({})
            params = {key: self._filled(entry.value) for key, entry in node.entries.items()}
        elif node is not None:
            fields.wrong("with", say("with must be a mapping"))
        name = fields.value("check")
        if isinstance(name, nodes.Scalar) and name.text.strip():
            faults = self._parameters(name.text.strip(), params, during)
            for fault in faults:
                self._notes.add(_parameter(node, fault) or name, fields.told(fault.message))
            known = params.keys() - {fault.parameter for fault in faults}
            for fault in self._strange(name.text.strip(), params):
                self._notes.add(_parameter(node, fault) or name, fields.told(fault.message))
            for word in _unquoted(node, known):
                self._notes.add(word, fields.told(unquoted(word.text)))
        return MappingProxyType(params)

    def _strange(self, name: str, params: Mapping[str, Any]) -> list[Fault]:
        """Nodes that a lab of this size may not have."""
        from swarmlab.checks.parameters import strange_nodes

        return strange_nodes(name, params, [f"swarm-{n}" for n in range(1, self._nodes + 1)])

    def _mistake(self, node: nodes.Node, what: str) -> Mistake:
        fields = Fields(self._notes, node, say("{what}, a mistake", what=what), mistakes.FIELDS)
        run = self._images_in(fields.text("run"), fields.place("run"))
        mistake = mistakes.read(fields, run, what)
        self._places[id(mistake)] = fields
        return mistake

    def _images_in(self, text: str, place: nodes.Node) -> str:
        """The text with `{image.NAME}` replaced by what the catalog says."""

        def image(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in self._images:
                near = self._notes.meant(name, self._images)
                self._notes.add(
                    place, say("there is no image {text}{near}", text=short(name), near=near)
                )
            return self._images.get(name, found.group())

        return _IMAGE.sub(image, text)

    def _filled(self, node: nodes.Node) -> Any:
        """The node as Python's own values, the images in its texts filled in."""
        if isinstance(node, nodes.Sequence):
            return [self._filled(item) for item in node.items]
        if isinstance(node, nodes.Mapping):
            return {key: self._filled(entry.value) for key, entry in node.entries.items()}
        value = node.value
        return self._images_in(value, node) if isinstance(value, str) else value


def _unquoted(node: nodes.Node | None, known: Container[str]) -> Iterator[nodes.Scalar]:
    """The texts of the parameters `known` that an editor takes for something else."""
    if isinstance(node, nodes.Mapping):
        for name, entry in node.entries.items():
            if name in known:
                yield from _texts(entry.value)


def _texts(node: nodes.Node) -> Iterator[nodes.Scalar]:
    if isinstance(node, nodes.Scalar):
        if node.plain and isinstance(node.value, str) and dialects.no_text(node.text):
            yield node
        return
    inner = (
        node.items
        if isinstance(node, nodes.Sequence)
        else [one.value for one in node.entries.values()]
    )
    for one in inner:
        yield from _texts(one)


def _parameter(node: nodes.Node | None, fault: Fault) -> nodes.Node | None:
    """The place of the parameter that is at fault: its name, or its value; None for none."""
    entry = node.entries.get(fault.parameter) if isinstance(node, nodes.Mapping) else None
    if entry is None:
        return None
    return entry.key if fault.unknown else entry.value
