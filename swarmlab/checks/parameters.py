"""What a lab file says about a check, compared with the check's own signature."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from swarmlab.checks import CHECKS, OBSERVERS

_PLAIN = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def problems(name: str, params: Mapping[str, Any], *, during: bool | None = None) -> list[str]:
    """Everything wrong with the use of a check, in sentences; empty when all is well.

    `during` says where it is used: True among observers, False among checks, None either.
    """
    known = [*([] if during else CHECKS), *(OBSERVERS if during is not False else [])]
    if name not in known:
        return [_unknown(name, known, during)]
    hints, needed = signature(name)
    found = []
    for given, value in params.items():
        if given not in hints:
            found.append(
                f"{name} has no parameter {given!r}{_meant(str(given), list(hints))};"
                f" it has {', '.join(hints) or 'none'}"
            )
        elif not _fits(value, hints[given]):
            found.append(f"{name}: {given} must be {_words(hints[given])}, not {_short(value)}")
    found += [f"{name} needs {one} ({_words(hints[one])})" for one in needed if one not in params]
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
            f"{name} looks once: it belongs under checks, not under during"
            if during
            else f"{name} watches while a command runs: it belongs under during"
        )
    what = "observer" if during else "check"
    return f"there is no {what} {name!r}{_meant(name, known)}"


def _meant(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


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
        return " or ".join(_words(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is list:
        return f"a list ({_words(inner[0])} each)"
    if origin is dict:
        return f"a mapping ({_words(inner[0])} to {_words(inner[1])})"
    return _PLAIN.get(hint, str(hint))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
