"""What swarmlab says to students, in their language.

The English stands in the code, where it is said: `say("Step {number} is reset", number=4)`. A
catalog (`catalogs/<language>.yaml`) maps each English message to its translation, with the same
names in braces. A message without one is said in English; a test keeps the catalogs whole.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from swarmlab.errors import UsageError

MAIN = "en"
CATALOGS = Path(__file__).resolve().parent / "catalogs"
# A few characters of each language, to see whether a terminal can show them.
SAMPLES = {"zh": "集群服务"}


class Words:
    """One language: called with an English message, it says it in that language."""

    def __init__(self, language: str, catalog: Mapping[str, str]) -> None:
        self.language = language
        self.catalog = catalog

    def __call__(self, message: str, /, **values: object) -> str:
        """The message, with `{name}` replaced by the value of that name."""
        return self.catalog.get(message, message).format(**values)


def languages() -> tuple[str, ...]:
    """The languages there are: English, and those with a catalog."""
    return (MAIN, *sorted(path.stem for path in CATALOGS.glob("*.yaml")))


@cache
def of(language: str) -> Words:
    """The words of a language. Raises UsageError for one that there is not."""
    if language == MAIN:
        return Words(MAIN, {})
    if language not in languages():
        raise UsageError(
            f"swarmlab does not speak {language!r}.",
            hint=f"Choose a language with --lang or SWARMLAB_LANG: {', '.join(languages())}.",
        )
    import yaml

    text = (CATALOGS / f"{language}.yaml").read_text(encoding="utf-8")
    return Words(language, yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def known(tag: str) -> str:
    """The language that a tag as people and systems write it means: `zh` for `zh_CN.UTF-8`.

    Raises UsageError for one that there is not.
    """
    return of(tag.strip().replace("-", "_").partition("_")[0].partition(".")[0].lower()).language


def fits(language: str, encoding: str) -> bool:
    """Whether `encoding` has the characters of that language."""
    try:
        SAMPLES.get(language, "").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def encoding() -> str:
    """What standard output writes characters in; without one, standard error."""
    return getattr(sys.stdout or sys.stderr, "encoding", None) or "ascii"


def readable(language: str) -> bool:
    """Whether this process can write the characters of that language."""
    return fits(language, encoding())


# A process speaks one language at a time: the student's.
_speaking = of(MAIN)


def use(language: str) -> None:
    """Speak that language from now on, in the whole process. Raises UsageError."""
    global _speaking
    _speaking = of(language)


def language() -> str:
    """The language that is spoken now."""
    return _speaking.language


# What this thread alone says in another language for a moment.
_aside = threading.local()


@contextmanager
def aside(language: str) -> Iterator[None]:
    """Let this thread speak that language meanwhile, whatever is spoken. Raises UsageError."""
    before = getattr(_aside, "words", None)
    _aside.words = of(language)
    try:
        yield
    finally:
        _aside.words = before


def say(message: str, /, **values: object) -> str:
    """The message in the language that is spoken now, its `{names}` filled in."""
    speaking = getattr(_aside, "words", None) or _speaking
    said = speaking(message, **values)
    if speaking.language != MAIN:
        remember(said, message.format(**values))
    return said


# What was said lately in another language, with its English; the oldest is forgotten first.
_said: dict[str, str] = {}
_said_lock = threading.Lock()
REMEMBERED = 20_000


def remember(said: str, meant: str) -> None:
    """Keep the English of something just said, for `english`."""
    with _said_lock:
        _said.pop(said, None)
        _said[said] = meant
        while len(_said) > REMEMBERED:
            del _said[next(iter(_said))]


def english(text: str) -> str:
    """The English of a text that was put together from what was said a moment ago."""
    with _said_lock:
        parts = [said for said in _said if said and said in text]
        # The longest first: what was said may itself hold other things that were said.
        for said in sorted(parts, key=len, reverse=True):
            text = text.replace(said, _said[said])
    return text


def later(message: str) -> str:
    """Marks a message that is kept in a table and said later; gives it back as it is."""
    return message
