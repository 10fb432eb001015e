"""What a lab file says about a check, compared with the check's own signature."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from swarmlab.checks import CHECKS, OBSERVERS
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
                "{check}: {name} must be {kind}, not {value}",
                check=name,
                name=given,
                kind=_words(hints[given]),
                value=_short(value),
            )
            found.append(Fault(message, given))
    for one in needed:
        if one not in params:
            kind = _words(hints[one])
            found.append(
                Fault(say("{check} needs {name} ({kind})", check=name, name=one, kind=kind))
            )
    return found


def signature(name: str) -> tuple[dict[str, Any], list[str]]:
    """The types of a check's own parameters, and the names of those without a default."""
    function = CHECKS[name] if name in CHECKS else OBSERVERS[name]
    described = function.__init__ if inspect.isclass(function) else function
    hints = get_type_hints(described)
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


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
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


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return say(" or ").join(_words(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return say(" or ").join(map(str, inner))
    if origin is list:
        return say("a list ({kind} each)", kind=_words(inner[0]))
    if origin is dict:
        return say("a mapping ({key} to {value})", key=_words(inner[0]), value=_words(inner[1]))
    return say(_PLAIN[hint]) if hint in _PLAIN else str(hint)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
