"""All that swarmlab tells people is said: no module has words of its own but through `words`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_words import PACKAGE, calls, literals, sayings

# Words that stay as they are, and why.
EXEMPT = {
    "grading/spreadsheet": "heads of columns, by which programs read the table",
    "handout/wording": "holds the words of handouts in every language itself",
    "loading/schema": "one file for the editors of all authors, published in English",
    "varying": "patterns of what engines and programs print",
    "words": "complains before it is known which language is spoken",
}
MODULES = [
    name
    for path in sorted(PACKAGE.rglob("*.py"))
    if (name := path.relative_to(PACKAGE).with_suffix("").as_posix()) not in EXEMPT
]

# Calls whose words are for programs (patterns, files, processes) or are said by what is called.
NOT_FOR_PEOPLE = (
    *("compile", "sub", "search", "fullmatch", "match", "split", "partition", "strftime"),
    *("startswith", "endswith", "encode", "open", "get", "exec_create", "ValueError", "counted"),
    *("Option", "Argument", "Typer", "_harm", "_heard"),
)
# Names of what help says: a catalog of its own has that, and test_help.py holds it whole.
OF_HELP = ("PANEL", "MACHINES", "EPILOG", "OWN")
# Calls that show or raise: in these a single word is looked at, too.
SHOWN = ("Text", "note", "add_column", "_next", "_row", "_labelled", "_spin", "append", "assemble")
TOLD = ("stage", "status", "report", "explained", "until", "echo", "wrong", "look", "judge")
RAISED = (
    *("UsageError", "EnvironmentProblem", "EngineUnreachable", "ClusterProblem", "ImageProblem"),
    *("LabAbsent", "LabBusy", "MachineUnknown", "TimedOut", "Problem", "Trouble", "Finding"),
    *("Seen", "Unfit", "Observation"),
)

# What is typed is the same in every language, alone or as a whole text in code marks. It begins
# with a program's name, and does not end as a sentence does.
SUBCOMMANDS = (
    "bundle|down|env|fault|images|login|run|serve-bundle|start|status|step|stop|up|verify"
    "|compose|container|exec|inspect|network|node|ps|rename|service|volume"
)
TYPED = re.compile(
    r"`[^`]*`|id: my-lab\n|swarmlab 0( (authority|client))?|COMMAND \[ARGS\].*"
    r"|machine 0 login 0 password 0\n?"
    rf"|[\s(]*(\[bold\])?(0|(~/\S+/)?swarmlab|docker) ({SUBCOMMANDS})0*\b(?!.*[.!?]$).*"
    r"|\s*(# )?(apt-get|cat|curl|eval|export|iptables|python3|sudo) (?!.*[.!?]$).*"
    r"|--[a-z-]+=0|[\w./]*/[\w./]*|(0 )?curl -\S+ 0|--format '[^']*'|\.\[\] \| .*",
    re.S,
)
# Programs: in shells, for Python, for the packet filter and for HAProxy; patterns.
PROGRAM = re.compile(
    r"\$[\w({*\"$!@]|&&|\|\||; (do|done)\b|; genl |^\s*(import|global|try\(\)|table ip)\s"
    r"|(^|\| )grep -|^jq -e |'%\{http_code\}'|^ip link|^exec |^eval |; cat >|^(CMD|LABEL) |\(\?P<"
)
# Marks and styles of the terminal and of pages, fonts, formats.
MARKS = re.compile(
    r"\[?(bold|dim) (red|magenta|reverse)(\]0\[/\])?|[\W0]*(\[\S*\][\W0s]*)+|[A-Z, ]+|bytes .*"
    r"|\s*SHA-256 0|(  | --)[^a-z].*|<(code|span|u) class=.*|@page .*|Noto Sans.*"
    r"|debootstrap: .*|0(,sha256=0,0|/RECORD,,)|Data plane|Docker Hub",
    re.S,
)
# What engines, kernels and other programs say: compared with it, in their words.
OTHERS_SAY = frozenset(
    (
        *("About to remove", "WARNING: This action will delete", "Successfully removed"),
        *("(health: starting)", "Running pre-create checks", "active endpoints"),
        *("address already in use", "already in progress", "bad certificate"),
        *("cannot allocate memory", "cannot assign requested address", "certificate required"),
        *("connection refused", "connection reset", "context deadline exceeded"),
        *("Incorrect Usage.", "flag provided but not defined", "invalid value"),
        *("flag needs an argument", "driver does not support", "no machine name specified"),
        *("Usage: docker-machine ", "Error setting machine configuration from flags provided"),
        "Unable to verify the Docker daemon is listening",
        *("does not have a leader", "executable file not found", "is already", "is in use"),
        *("killed for want of memory", "killed for want of memory\n0", "no route to host"),
        *("No such container", "unhealthy container"),
        *("no space left on device", "no such file or directory", "no such image"),
        "0 not installed or not available in PATH",
        *("OCI runtime exec failed", "pool overlaps", "port is already allocated"),
        *("resource busy", "timed out", "unable to apply caps", "unknown certificate"),
        "will continue in the background",
    )
)
# Keys of what is kept, what stands in a command's own output, and in a traceback.
KEPT = frozenset(
    (
        *("engine of the nodes", "engine of the machine", "other key", "not signed", "no key"),
        *("[... 0 bytes are not shown ...]\n", "0 private key 0", "Hint: 0"),
        "This folder was made by a bundle of swarmlab's.\n",
    )
)


def for_people(literal: str) -> bool:
    return not (
        TYPED.fullmatch(literal)
        or PROGRAM.search(literal)
        or MARKS.fullmatch(literal)
        or literal in OTHERS_SAY
        or literal in KEPT
    )


def unsaid(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each literal of two words or more that nobody says, with its line."""
    known: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            known |= {id(one.value) for one in body if isinstance(one, ast.Expr)}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in NOT_FOR_PEOPLE:
                known |= {id(one) for one in ast.walk(node)}
        of_help = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in OF_HELP
        if of_help or isinstance(node, ast.Assert | ast.Compare):
            known |= {id(one) for one in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            known |= {id(one) for one in node.values}
    for call in sayings(tree):
        known |= {id(one) for one in call.args}
    for node in ast.walk(tree):
        if id(node) in known or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        for literal in literals(node):
            if re.search(r"[A-Za-z]{2}.* .*[A-Za-z]{2}", literal) and for_people(literal):
                yield node.lineno, literal


def shown(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The same of all that is put together with words, however few, where it is shown or raised."""
    for call in calls(tree, *SHOWN, *TOLD, *RAISED):
        hints = [one.value for one in call.keywords if one.arg == "hint"]
        for argument in (*call.args, *hints):
            for literal in literals(argument):
                # A single word by itself is a name or a key.
                alone = isinstance(argument, ast.Constant) and " " not in literal
                if not alone and re.search("[A-Za-z]{2}", literal) and for_people(literal):
                    yield call.lineno, literal


@pytest.mark.parametrize("module", MODULES)
def test_no_words_are_left_that_nobody_says(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    assert sorted({*unsaid(tree), *shown(tree)}) == []


# Where an error without advice is caught, and told with it.
CAUGHT = {"relay/ssh": ["until"], "providers/hosts/provider": ["EnvironmentProblem"]}
ERRORS = (
    *("UsageError", "EnvironmentProblem", "EngineUnreachable", "ClusterProblem", "ImageProblem"),
    *("LabAbsent", "LabBusy", "MachineUnknown", "TimedOut", "until"),
)


@pytest.mark.parametrize("module", [*MODULES, *EXEMPT])
def test_errors_say_what_to_do_next(module: str) -> None:
    """What happened and why is their first argument; the advice must not be forgotten."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    without = [
        ast.unparse(call.func)
        for call in calls(tree, *ERRORS)
        if not {"hint", None} & {one.arg for one in call.keywords}
    ]
    assert without == CAUGHT.get(module, [])


def test_modules_that_need_no_exception_have_none() -> None:
    for module in EXEMPT:
        assert list(unsaid(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))))


def test_words_that_nobody_says_are_found() -> None:
    """The tests above would see them."""
    tree = ast.parse(
        '"""A doc."""\n'
        "def f(x):\n"
        '    g(f"the lab {x} is gone")\n'
        '    h("no word", hint=say("is left"))\n'
        '    assert x, "not for people"\n'
        '    raise UsageError(f"gone: {x}", hint="docker run is not there.")\n'
    )
    assert [line for line, _ in unsaid(tree)] == [3, 4, 6]
    assert [line for line, _ in shown(tree)] == [6, 6]


PROSE = (
    *("swarmlab does not speak 0.", "docker-machine could not make 0.", "swarmlab up mends it."),
    *("`swarmlab up` mends it", "The disk is in use", "it is already in a swarm", "no such lab"),
    *("docker does not answer", "Import the file, then go on", "gone: 0", "killing 0"),
)


@pytest.mark.parametrize("words", PROSE)
def test_words_about_programs_are_words(words: str) -> None:
    assert for_people(words)
