"""From nodes to the lab: steps, commands, checks, mistakes."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from swarmlab.loading import mistakes, nodes
from swarmlab.loading.creating import leaves
from swarmlab.loading.fields import Fields, Notes, short
from swarmlab.model import CheckSpec, Command, Mistake, Step, Where
from swarmlab.size import MANAGERS

LAB = ("id", "title", "version", "managers", "steps")
STEP = (
    "number", "id", "title", "section", "commands", "checks", "reset", "reset_covered_by",
    "mistakes", "question", "answer", "minutes", "demonstrate", "nudge", "pointer",
)  # fmt: skip
COMMAND = ("id", "run", "where", "exit_codes", "timeout", "checks", "during")
CHECK = ("id", "check", "title", "with", "within", "until", "needs", "hint", "weight", "before")

# What the student's own machine is asked to run; anything else belongs into the workstation.
HOST_COMMANDS = ("swarmlab down",)

MAX_TIMEOUT = 3600.0
MAX_MINUTES = 600.0
# No check takes so many parameters.
MAX_PARAMETERS = 50

_IMAGE = re.compile(r"\{image\.([^{}\s]*)\}")

ParameterProblems = Callable[[str, Mapping[str, Any], bool], Sequence[str]]
"""Called with a check's name, its parameters and whether it is an observer (`during`)."""


class Builder:
    """Builds steps and notes every problem in `notes`."""

    def __init__(
        self, notes: Notes, images: Mapping[str, str], parameters: ParameterProblems
    ) -> None:
        self._notes = notes
        self._images = images
        self._parameters = parameters
        # Where each check and mistake stands, by identity: ids may be missing or used twice.
        self._places: dict[int, Fields] = {}

    def lab(self, root: nodes.Node) -> tuple[str, str, str, list[Step], int]:
        """Id, title, version and steps of the lab, and how many managers they need."""
        fields = Fields(self._notes, root, "the lab", LAB)
        lab_id, title, version = fields.slug("id"), fields.text("title"), fields.text("version")
        managers = fields.whole("managers", 1, max(MANAGERS)) if fields.value("managers") else 1
        items = fields.items("steps", required=True)
        steps = [self._step(item, position) for position, item in enumerate(items, 1)]
        self._together(steps, items)
        return lab_id, title, version, steps, managers or 1

    def _step(self, node: nodes.Node, position: int) -> Step:
        fields = Fields(self._notes, node, f"step {position}", STEP)
        number = fields.whole("number", 1, 999)
        if number is not None:
            fields.what = f"step {number}"
        commands = [
            self._command(item, f"{fields.what}, command {place}", f"c{place}")
            for place, item in enumerate(fields.items("commands", required=True), 1)
        ]
        checks = [self._check(item, fields.what, False) for item in fields.items("checks")]
        reset = [
            self._command(item, f"{fields.what}, reset {place}", f"r{place}")
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
            fields.wrong("question", "a question needs an answer, for the teacher")
        if step.answer and not step.question:
            fields.wrong("answer", "an answer needs its question")
        self._inside(fields, step)
        self._undone(step, fields)
        return step

    def _command(self, node: nodes.Node, what: str, default: str) -> Command:
        fields = Fields(self._notes, node, what, COMMAND)
        run = self._images_in(fields.text("run"), fields.place("run"))
        where = Where(fields.choice("where", [one.value for one in Where], Where.WORKSTATION.value))
        if where is Where.HOST and run not in HOST_COMMANDS:
            known = " or ".join(f"`{one}`" for one in HOST_COMMANDS)
            fields.wrong("run", f"on the host only {known} can be run")
        return Command(
            id=fields.slug("id", default),
            run=run,
            where=where,
            exit_codes=fields.codes("exit_codes", (0,)),
            timeout=fields.number("timeout", 120.0, 0.1, MAX_TIMEOUT),
            checks=tuple(self._check(item, what, False) for item in fields.items("checks")),
            during=tuple(self._check(item, what, True) for item in fields.items("during")),
        )

    def _check(self, node: nodes.Node, what: str, during: bool) -> CheckSpec:
        fields = Fields(self._notes, node, f"{what}, a check", CHECK)
        check_id = fields.slug("id")
        if check_id:
            fields.what = f"{what}, check {check_id!r}"
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
        )
        self._places[id(spec)] = fields
        return spec

    def _with(self, fields: Fields, during: bool) -> Mapping[str, Any]:
        """The parameters, compared with what the check takes."""
        node = fields.value("with")
        params: dict[str, Any] = {}
        if isinstance(node, nodes.Mapping):
            if len(node.entries) > MAX_PARAMETERS:
                fields.wrong("with", f"with has more than {MAX_PARAMETERS} parameters")
                return MappingProxyType({})
            params = self._filled(nodes.plain(node), node)
        elif node is not None:
            fields.wrong("with", "with must be a mapping")
        name = fields.value("check")
        if isinstance(name, nodes.Scalar) and name.text.strip():
            for message in self._parameters(name.text.strip(), params, during):
                place = _parameter(node, message) if node is not None else None
                self._notes.add(place or name, f"{fields.what}: {message}")
        return MappingProxyType(params)

    def _mistake(self, node: nodes.Node, what: str) -> Mistake:
        fields = Fields(self._notes, node, f"{what}, a mistake", mistakes.FIELDS)
        run = self._images_in(fields.text("run"), fields.place("run"))
        mistake = mistakes.read(fields, run)
        self._places[id(mistake)] = fields
        return mistake

    def _images_in(self, text: str, place: nodes.Node) -> str:
        """The text with `{image.NAME}` replaced by what the catalog says."""

        def image(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in self._images:
                self._notes.add(
                    place, f"no image {short(name)}{self._notes.meant(name, self._images)}"
                )
            return self._images.get(name, found.group())

        return _IMAGE.sub(image, text)

    def _filled(self, value: Any, place: nodes.Node) -> Any:
        if isinstance(value, str):
            return self._images_in(value, place)
        if isinstance(value, list):
            return [self._filled(item, place) for item in value]
        if isinstance(value, dict):
            return {key: self._filled(item, place) for key, item in value.items()}
        return value

    def _inside(self, fields: Fields, step: Step) -> None:
        """What must fit together within one step."""
        of_commands = [c for command in step.commands for c in (*command.checks, *command.during)]
        checks = step.all_checks
        for name, ids in (
            ("command", [command.id for command in step.commands]),
            ("check", [check.id for check in checks]),
            ("mistake", [mistake.id for mistake in step.mistakes]),
        ):
            for one in _twice(ids):
                fields.wrong("number", f"two of its {name}s have the id {one!r}")
        known = {check.id for check in checks}
        for check in checks:
            place = self._places[id(check)]
            for need in check.needs:
                if need not in known:
                    place.wrong(
                        "needs",
                        f"{short(need)} is no check of this step{self._notes.meant(need, known)}",
                    )
        for ring in _rings({check.id: check.needs for check in checks}):
            fields.wrong("checks", f"these checks need each other: {', '.join(ring)}")
        for check in of_commands:
            for name in ("until", "before"):
                if getattr(check, name):
                    self._places[id(check)].wrong(
                        name, f"it is looked at only after its command: {name} has no meaning here"
                    )
        for mistake in step.mistakes:
            mistakes.inside(self._places[id(mistake)], mistake, step)

    def _undone(self, step: Step, fields: Fields) -> None:
        """Whether a step that leaves something behind says how that is undone."""
        if step.reset or step.reset_covered_by:
            return
        for command, item in zip(step.commands, fields.items("commands"), strict=True):
            what = leaves(command.run) if command.where is Where.WORKSTATION else ""
            if what:
                self._notes.add(
                    item,
                    f"{fields.what}, command {command.id!r}: `{what}` leaves something behind,"
                    " and the step has no reset (nor reset_covered_by) that takes it away",
                )

    def _together(self, steps: Sequence[Step], items: Sequence[nodes.Node]) -> None:
        """What must fit together among the steps."""
        ids: dict[str, int] = {}
        earlier: dict[str, int] = {}
        numbers: dict[int, int] = {}
        highest = 0
        for position, step in enumerate(steps):
            ids.setdefault(step.id, position)
        for position, (step, node) in enumerate(zip(steps, items, strict=True)):
            if step.id and ids[step.id] < position:
                self._notes.add(node, f"the step id {step.id!r} is used twice")
            if step.number in numbers:
                first = numbers[step.number]
                self._notes.add(
                    node, f"the step number {step.number} is used twice, first in line {first}"
                )
            elif 0 < step.number <= highest:
                self._notes.add(
                    node, f"step {step.number} must have a higher number than those before it"
                )
            numbers.setdefault(step.number, node.line)
            highest = max(highest, step.number)
            for mistake in step.mistakes:
                mistakes.together(self._places[id(mistake)], mistake, steps, position)
            for other in step.reset_covered_by:
                if other not in earlier:
                    self._notes.add(
                        node,
                        f"reset_covered_by: {short(other)} is no earlier step"
                        f"{self._notes.meant(other, earlier)}",
                    )
            earlier.setdefault(step.id, position)
            for check in step.checks:
                if check.until is None:
                    continue
                place = self._places[id(check)]
                if check.until not in ids:
                    place.wrong(
                        "until",
                        f"{short(check.until)} is no step{self._notes.meant(check.until, ids)}",
                    )
                elif ids[check.until] <= position:
                    place.wrong("until", f"it must name a later step, not {check.until!r}")


def _parameter(node: nodes.Node, message: str) -> nodes.Node | None:
    """The place of the parameter that a message is about, or of all parameters."""
    if isinstance(node, nodes.Mapping):
        for name, entry in node.entries.items():
            if repr(name) in message:
                return entry.key
            if re.search(rf"\b{re.escape(name)} must\b", message):
                return entry.value
    return None


def _twice(ids: Sequence[str]) -> list[str]:
    return sorted(one for one, times in Counter(ids).items() if one and times > 1)


def _rings(needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """What is left when everything that can be looked at in order is taken away."""
    open_needs = {name: {one for one in wanted if one in needs} for name, wanted in needs.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in open_needs.items():
        for one in wanted:
            needed_by[one].append(name)
    free = deque(name for name, wanted in open_needs.items() if not wanted)
    while free:
        done = free.popleft()
        del open_needs[done]
        for name in needed_by[done]:
            open_needs[name].discard(done)
            if not open_needs[name]:
                free.append(name)
    return [sorted(open_needs)] if open_needs else []
