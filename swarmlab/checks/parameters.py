"""What a lab file says about a check, compared with the check's own signature."""

from __future__ import annotations

import inspect
import types
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from swarmlab import dialects
from swarmlab.checks import CHECKS, OBSERVERS
from swarmlab.checks.kinds import ONE_OF, NodeName
from swarmlab.words import later, say

_PLAIN = {
    int: later("a whole number"),
    float: later("a number"),
    str: later("text"),
    bool: later("true or false"),
}


class Fault(NamedTuple):
    """One thing wrong with the use of a check, and with which of its parameters, if with one.

    `unknown`: there is no parameter of that name; otherwise it is the value that is wrong.
    """

    message: str
    parameter: str = ""
    unknown: bool = False


def problems(name: str, params: Mapping[str, Any], *, during: bool | None = None) -> list[str]:
    """The same as `faults`, in sentences."""
    return [fault.message for fault in faults(name, params, during=during)]


def faults(name: str, params: Mapping[str, Any], *, during: bool | None = None) -> list[Fault]:
    """Everything wrong with the use of a check; empty when all is well.

    `during` says where it is used: True among observers, False among checks, None either.
    """
    known = [*([] if during else CHECKS), *(OBSERVERS if during is not False else [])]
    if name not in known:
        return [Fault(_unknown(name, known, during))]
    hints, needed = signature(name)
    found = []
    for given, value in params.items():
        if given not in hints:
            message = say(
                "{check} has no parameter {name!r}{near}; it has {names}",
                check=name,
                name=given,
                near=_meant(str(given), list(hints)),
                names=say(", ").join(hints) or say("none"),
            )
            found.append(Fault(message, given, unknown=True))
        elif not _fits(value, hints[given]):
            message = say(
                "{check}: {name} must be {kind}, not {value}{near}",
                check=name,
                name=given,
                kind=described(hints[given]),
                value=_short(value),
                near=_written(value, hints[given]),
            )
            found.append(Fault(message, given))
    for one in needed:
        if one not in params:
            kind = described(hints[one])
            found.append(
                Fault(say("{check} needs {name} ({kind})", check=name, name=one, kind=kind))
            )
    some = ONE_OF.get(name, ())
    if some and not any(params.get(one) is not None for one in some):
        names = say(" or ").join(some)
        nothing = say("{check} asks for nothing without {names}", check=name, names=names)
        found.append(Fault(nothing))
    return found


def strange_nodes(name: str, params: Mapping[str, Any], known: Collection[str]) -> list[Fault]:
    """The nodes in a sound use of a check that are none of `known`."""
    if name not in CHECKS and name not in OBSERVERS:
        return []
    hints, _ = signature(name)
    found = []
    for given, value in params.items():
        for node in _nodes(value, hints[given]) if given in hints else []:
            if node not in known:
                message = say(
                    "{check}: no node {node!r} is sure to be there: the lab's `managers` are as "
                    "many as its nodes at the least",
                    check=name,
                    node=node,
                )
                found.append(Fault(message, given))
    return found


def _nodes(value: Any, hint: Any) -> list[str]:
    """The names of nodes in a value of that type."""
    if value is None or not _fits(value, hint):
        return []
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated and NodeName() in inner:
        return [value]
    if origin is Annotated:
        return _nodes(value, inner[0])
    if origin in (Union, types.UnionType):
        return [node for one in inner for node in _nodes(value, one)]
    if origin in (list, dict):
        return [node for one in value for node in _nodes(one, inner[0])]
    return []


def signature(name: str) -> tuple[dict[str, Any], list[str]]:
    """The types of a check's own parameters, and the names of those without a default."""
    function = CHECKS[name] if name in CHECKS else OBSERVERS[name]
    made = function.__init__ if inspect.isclass(function) else function
    hints = get_type_hints(made, include_extras=True)
    own = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    return (
        {parameter.name: hints[parameter.name] for parameter in own},
        [parameter.name for parameter in own if parameter.default is inspect.Parameter.empty],
    )


def _unknown(name: str, known: list[str], during: bool | None) -> str:
    if during is not None and (name in CHECKS or name in OBSERVERS):
        return (
            say("{check} looks once: it belongs under checks, not under during", check=name)
            if during
            else say("{check} watches while a command runs: it belongs under during", check=name)
        )
    near = _meant(name, known)
    if during:
        return say("there is no observer {name!r}{near}", name=name, near=near)
    return say("there is no check {name!r}{near}", name=name, near=near)


def _meant(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return say(" (did you mean {names}?)", names=say(" or ").join(close)) if close else ""


def _written(value: object, hint: Any) -> str:
    """` (did you mean ...?)` for a value of another type, if written otherwise it would fit."""
    if isinstance(value, int) and _fits(text := dialects.written(value), hint):
        return say(" (did you mean {names}?)", names=f'"{text}"')
    return dialects.near(value, lambda one: _fits(one, hint))


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, inner[0]) and all(rule.holds(value) for rule in inner[1:])
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is list:
        return isinstance(value, list | tuple) and all(_fits(one, inner[0]) for one in value)
    if origin is dict:
        return isinstance(value, Mapping) and all(
            _fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items()
        )
    if hint is types.NoneType:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def described(hint: Any) -> str:
    """What a parameter of that type is, in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = described(inner[0])
        for rule in inner[1:]:
            words = rule.words(words)
        return words
    if origin in (Union, types.UnionType):
        return say(" or ").join(described(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return say(" or ").join(map(str, inner))
    if origin is list:
        return say("a list ({kind} each)", kind=described(inner[0]))
    if origin is dict:
        return say(
            "a mapping ({key} to {value})", key=described(inner[0]), value=described(inner[1])
        )
    return say(_PLAIN[hint]) if hint in _PLAIN else str(hint)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
