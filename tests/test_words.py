"""What swarmlab says: every message in every language, and lines that end where they should."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from swarmlab import notes, words
from swarmlab.errors import LabAbsent, UsageError
from swarmlab.loader import load_builtin
from swarmlab.loading import nodes
from swarmlab.loading.languages import localized, tags
from swarmlab.report import chapter, live, pieces, text, wrapping
from swarmlab.results import CheckResult, CommandResult, RunResult, StepResult, Timing, Verdict
from tests import lab_fakes as fake

PACKAGE = Path(words.__file__).parent
OTHERS = [language for language in words.languages() if language != words.MAIN]
each_language = pytest.mark.parametrize("language", OTHERS)
CODE = re.compile(r"`([^`]+)`")


# It runs where there is no swarmlab yet, and carries its words itself.
ALONE = "bundle/install.py"


def speaking_modules() -> dict[str, ast.Module]:
    """The modules that take `say` or `later` from `swarmlab.words`."""
    found = {ALONE: ast.parse((PACKAGE / ALONE).read_text(encoding="utf-8"))}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "swarmlab.words":
                found[path.relative_to(PACKAGE).as_posix()] = tree
    return found


def calls(tree: ast.Module, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            if (called.id if isinstance(called, ast.Name) else called) in names:
                yield node


def sayings(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls of `say` and `later` themselves: a stage of progress has a `say` of its own."""
    for call in calls(tree, "say", "later"):
        called = call.func
        if isinstance(called, ast.Name) or ast.unparse(called).startswith("words."):
            yield call


def messages() -> dict[str, str]:
    """Every message in the code, with the module that says it."""
    found = {}
    for name, tree in speaking_modules().items():
        for call in sayings(tree):
            first = call.args[0]
            if isinstance(first, ast.Constant):
                assert isinstance(first.value, str)
                found[first.value] = name
    return found


MESSAGES = messages()


def test_messages_are_found_where_they_are_said() -> None:
    assert {"report/pieces.py", "report/chapter.py", "report/live.py", "notes.py"} <= set(
        MESSAGES.values()
    )
    assert MESSAGES["Step {number} is now recorded as done."] == "notes.py"


def test_what_is_said_is_a_message_or_was_marked_as_one() -> None:
    """A message made up on the way could be in no catalog."""
    for name, tree in speaking_modules().items():
        for call in sayings(tree):
            first = call.args[0]
            assert not isinstance(first, ast.JoinedStr | ast.BinOp), f"{name}:{call.lineno}"
            if not isinstance(first, ast.Constant):
                assert any(calls(tree, "later")), f"{name}:{call.lineno}"


@each_language
def test_no_message_lacks_its_translation_and_none_is_left_over(language: str) -> None:
    catalog = words.of(language).catalog
    assert sorted(set(MESSAGES) - set(catalog)) == []
    assert sorted(set(catalog) - set(MESSAGES)) == []


@each_language
def test_translations_have_the_same_names_and_the_same_code(language: str) -> None:
    for message, translation in words.of(language).catalog.items():
        assert fields(translation) == fields(message), message
        assert sorted(CODE.findall(translation)) == sorted(CODE.findall(message)), message
        assert translation.strip(), message


def fields(message: str) -> set[tuple[str, str | None, str | None]]:
    return {(f, s, c) for _, f, s, c in Formatter().parse(message) if f is not None}


@each_language
def test_a_catalog_says_everything_once(language: str) -> None:
    wrong: list[str] = []
    data = (words.CATALOGS / f"{language}.yaml").read_bytes()
    nodes.parse(data, lambda line, column, said: wrong.append(f"{line}:{column}: {said}"))
    assert wrong == []


def test_every_language_of_the_chapter_is_spoken() -> None:
    assert set(tags(load_builtin("service-discovery").folder)) == set(words.languages())


SHOWN = ("Text", "note", "add_column", "_next", "_row", "_labelled", "_spin")
# What is the same in every language: signs, and commands to type.
SAME = re.compile(r"swarmlab [a-z -]+[0-9]*( --show)?")


@pytest.mark.parametrize("module", ["chapter", "live", "pieces", "text"])
def test_nothing_is_shown_that_was_not_said(module: str) -> None:
    tree = ast.parse((PACKAGE / "report" / f"{module}.py").read_text(encoding="utf-8"))
    for call in calls(tree, *SHOWN):
        for argument in call.args:
            for literal in literals(argument):
                assert not re.search("[A-Za-z]{2}", SAME.sub("", literal)), (
                    f"{module}:{call.lineno}: {literal!r}"
                )


@pytest.mark.parametrize(
    "module", sorted(path.stem for path in (PACKAGE / "checks").glob("[a-z]*.py"))
)
def test_evidence_is_said_in_the_language_of_the_student(module: str) -> None:
    """What a check expects and what it saw; `source`, a command, is the same in all languages."""
    tree = ast.parse((PACKAGE / "checks" / f"{module}.py").read_text(encoding="utf-8"))
    for name, places in (("look", [0]), ("judge", [0, 1]), ("Seen", [1]), ("Unfit", [0])):
        for call in calls(tree, name):
            for place in places[: len(call.args)]:
                for part in ast.walk(call.args[place]):
                    if isinstance(part, ast.JoinedStr):
                        for literal in literals(part):
                            assert not re.search("[A-Za-z]{2}", literal), (
                                f"{module}:{call.lineno}: {literal!r}"
                            )


def literals(node: ast.expr) -> Iterator[str]:
    """Text in an expression that is shown as it stands, not within another call."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "0" for p in node.values)
    elif isinstance(node, ast.BinOp):
        yield from (*literals(node.left), *literals(node.right))
    elif isinstance(node, ast.IfExp):
        yield from (*literals(node.body), *literals(node.orelse))


def test_languages_are_known_as_people_and_systems_write_them() -> None:
    for tag in ("zh", "ZH", "zh-CN", "zh_CN.UTF-8", " zh "):
        assert words.known(tag) == "zh"
    assert words.known("en_US.UTF-8") == "en"
    for tag in ("fr", "", "z", "../zh", "zhongwen"):
        with pytest.raises(UsageError) as caught:
            words.known(tag)
        assert "en, zh" in caught.value.hint


def test_english_is_what_stands_in_the_code() -> None:
    english = words.of("en")
    assert english("Step {number}", number=4) == "Step 4"
    assert english("never said before {x!r}", x="{y}") == "never said before '{y}'"
    assert words.of("zh")("Step {number}", number=4) == "第 4 步"


# What a student sees, from end to end.


@pytest.fixture
def chinese() -> Iterator[None]:
    words.use("zh")
    yield
    words.use(words.MAIN)


def check(name: str, verdict: Verdict, **more: object) -> CheckResult:
    result = CheckResult(name, f"{name} 的标题", "swarm.nodes", verdict)
    return CheckResult(**{**vars(result), **more})


def results() -> RunResult:
    lab = localized(load_builtin("service-discovery"), words.language())
    ended = next(c for step in lab.steps for c in step.checks if c.until == "consul-server")
    checks = (
        check("healed", Verdict.PASSED, actual="一二三", waited=3.2),
        check("二", Verdict.FAILED, expected="甲" * 70, actual="乙", source="docker ps", hint="丙"),
        check("三", Verdict.ERRORED, reason="丁", hint="戊"),
        check("四", Verdict.ERRORED, reason="丁"),
        check(
            "五",
            Verdict.SKIPPED,
            reason=notes.over(lab, ended, {str(ended.until)}),
        ),
    )
    good = (check("一", Verdict.PASSED), check("restored", Verdict.PASSED, actual="己"))
    commands = (
        CommandResult("c1", "docker ps", "workstation", Verdict.FAILED, 1, "", 2.0, "庚"),
        CommandResult("c2", "docker ps", "workstation", Verdict.SKIPPED, None, "", 0.0, "辛"),
    )
    steps = (
        StepResult(1, "heal", "一" * 50, (), good, 75.0),
        StepResult(2, "second", "二", commands, checks, 1.0),
        StepResult(3, "third", "三", (), (), 0.1),
    )
    timing = Timing(lab=1.0, commands=61.0, checks=2.0, own=0.1)
    return RunResult("x", "1", "default", "run", "c", "ipvs", "", 64.1, steps, timing)


def rendered(monkeypatch: pytest.MonkeyPatch, columns: int, terminal: bool) -> str:
    """All that the reports of steps, step, goto, verify and run show."""
    file = io.StringIO()
    console = Console(
        file=file, width=columns, force_terminal=terminal, color_system=None, highlight=False
    )
    for module in (chapter, live):
        monkeypatch.setattr(module, "out", lambda: console)
    monkeypatch.setattr(live, "err", lambda: console)
    lab = localized(load_builtin("service-discovery"), words.language())
    result = results()
    chapter.step_list(lab, {"swarm", "proxy"})
    chapter.ready_for(lab.steps[3], "default")
    chapter.undone(lab.steps[3], "default")
    chapter.what_next(lab, result, set())
    chapter.verified(lab, result)
    chapter.verified(lab, RunResult("x", "1", "default", "verify", "c", "", "", 0.0))
    chapter.summary(lab, result, set())
    passed = RunResult("x", "1", "default", "run", "c", "", "", 9.0, result.steps[:1])
    chapter.summary(lab, passed, {step.id for step in lab.steps[:12]})
    chapter.summary(lab, passed, set())
    full = lab.steps[13]
    for listener in (live.LiveListener(console=console), live.LiveListener(14, console)):
        listener.reset_started(full)
        listener.reset_ended(full, 1.0)
        listener.step_started(full)
        for command in full.commands:
            listener.command_started(command)
            listener.output("1\n" * 20)
            for step in result.steps:
                for ended in step.commands:
                    listener.command_ended(ended)
            for spec in command.checks:
                listener.check_waiting(spec, "甲" * 80)
        for one in result.steps[1].checks:
            listener.check_ended(one)
        for step in result.steps:
            listener.step_ended(step)
    quiet = live.QuietListener()
    quiet.note(notes.recorded(lab.steps[3]))
    quiet.note(notes.holds_early(4, 3))
    quiet.note(notes.typed_ahead(8))
    for numbers in ((1,), (1, 2), (2,), (2, 11)):
        quiet.note(notes.uncounted(lab, numbers, set()))
    quiet.note(notes.once_more(6))
    quiet.reset_started(full)
    quiet.step_started(full)
    for whole in lab.steps:
        text.step_text(console, whole)
    return file.getvalue()


# Names and what a shell prints: the same in every language. Commands stand indented by four and
# more, or behind a prompt; pictures are left as they are drawn.
TYPED = re.compile(
    r"^( {4,}.*|\$ .*|> .*|（你的机器） \$.*|.*[|+].*|.*--.*)$|正在运行：.*", re.MULTILINE
)
NAMES = re.compile(
    r"`[^`]+`|swarmlab (?:step|run|verify|down)\b|'[^']*'|\"[^\"]*\""
    r"|[\w./:?=*-]*[\d./:?=*-][\w./:?=*-]*",
    re.ASCII,
)
ENGLISH = re.compile(
    r"\b(steps?|checks?|passed|failed|skipped|the|is|are|of|and|to|for|next|done|waited|waiting"
    r"|running|resetting|seen|expected|what|none|still|lines|more|reset|machine|nothing"
    r"|Steps?|Checks?|FAILED|ERROR|Next|Resetting|What|Result|Time|Still|Summary|No|The)\b"
)


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("terminal", [True, False])
def test_no_english_is_left_in_what_a_student_sees(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", rendered(monkeypatch, 300, terminal))
    left = [
        line
        for line in TYPED.sub("", shown).splitlines()
        if ENGLISH.search(NAMES.sub("", line)) and not line.startswith("▌")
    ]
    assert left == []
    for sign in ("通过", "未通过", "出错", "跳过", "正在撤销", "总结", "怎么办", "下一步"):
        assert sign in shown


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_chinese_keeps_to_the_window(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    shown = rendered(monkeypatch, columns, False)
    prose = [line for line in shown.splitlines() if re.match(r"[\u4e00-\u9fff▌]", line)]
    assert len(prose) > 200
    kept_whole = ("下一步：", "……", "·")
    for line in prose:
        assert cell_len(line) <= columns or line.startswith(kept_whole), line
        assert line[0] not in "，。、：；！？）”", line


@pytest.mark.usefixtures("chinese")
def test_columns_of_the_list_and_the_table_are_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = rendered(monkeypatch, 80, False).splitlines()
    ids = [step.id for step in load_builtin("service-discovery").steps]
    places = {
        cell_len(line[: line.index(f" {name} ")])
        for name in ids
        for line in lines[1:15]
        if f" {name} " in line
    }
    assert len(places) == 1
    head = next(i for i, line in enumerate(lines) if re.match(r" *步 +内容", line))
    column = cell_len(lines[head][: lines[head].index("结果")])
    for line in lines[head + 1 : head + 6]:
        before = ""
        for character in line:
            if cell_len(before) >= column:
                break
            before += character
        assert cell_len(before) == column or cell_len(line) < column


def test_a_language_is_chosen_by_option_or_environment(tmp_path: Path) -> None:
    from tests.test_cli import swarmlab

    by_option = swarmlab("steps", "--lang", "zh", tmp=tmp_path)
    by_environment = swarmlab("steps", tmp=tmp_path, SWARMLAB_LANG="zh_CN.UTF-8")
    assert by_option.stdout == by_environment.stdout
    assert "共 14 步，已完成 0 步。" in by_option.stdout
    assert "0 of 14 steps done." in swarmlab("steps", tmp=tmp_path).stdout


@pytest.mark.parametrize("command", ["steps", "step", "goto", "verify", "run"])
def test_an_unknown_language_is_wrong_usage(command: str, tmp_path: Path) -> None:
    from tests.test_cli import swarmlab

    arguments = ["3"] if command in ("step", "goto") else []
    done = swarmlab(command, *arguments, "--lang", "fr", tmp=tmp_path)
    assert done.returncode == 2
    assert "does not speak 'fr'" in done.stderr
    assert "en, zh" in done.stderr


@pytest.mark.parametrize("command", ["verify", "run"])
def test_wrong_usage_is_told_in_the_language_asked_for(command: str, tmp_path: Path) -> None:
    from tests.test_cli import swarmlab

    arguments = ["15"] if command == "verify" else ["--from", "9", "--to", "4"]
    done = swarmlab(command, *arguments, "--lang", "zh", tmp=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("错误：")
    assert "怎么办：" in done.stderr


def test_where_the_terminal_has_no_chinese_it_goes_on_in_english(tmp_path: Path) -> None:
    from tests.test_cli import swarmlab

    done = swarmlab(
        "step", "9", "--show", "--lang", "zh", tmp=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C"
    )
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "One more parameter" in done.stdout
    assert "going on in English" in done.stderr


def test_an_encoding_of_china_is_served(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "swarmlab", "step", "9", "--show", "--lang", "zh"],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "gb18030", "HOME": str(tmp_path)},
        timeout=60,
        check=True,
    )
    assert "多加一个参数" in done.stdout.decode("gb18030")
    assert "?" not in done.stdout.decode("gb18030").splitlines()[0]


# Lines.


@given(st.text(alphabet="集群，。（）“” ab`c\n", max_size=60), st.integers(4, 40))
def test_lines_keep_to_their_width_and_lose_nothing(words_: str, width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    console.print(wrapping.flowing(Text("集" + words_)))
    printed = file.getvalue()
    assert all(cell_len(line) <= width for line in printed.splitlines())
    assert re.sub(r"\s", "", printed) == re.sub(r"\s", "", "集" + words_)


def test_lines_end_where_a_reader_expects_it() -> None:
    def lines(words_: str, width: int) -> list[str]:
        cuts = [0, *wrapping.ends(words_, width), len(words_)]
        return [words_[a:b].rstrip() for a, b in pairwise(cuts)]

    # No closing mark begins a line, no opening mark ends one, a word stays whole.
    assert lines("一二三四，五六", 8) == ["一二三", "四，五六"]
    assert lines("一二三（四）五", 8) == ["一二三", "（四）五"]
    assert lines("执行 docker ps 看看", 10) == ["执行", "docker ps", "看看"]
    assert lines("执行 docker ps 看看", 14) == ["执行 docker ps", "看看"]
    assert lines("一二三四", 4) == ["一二", "三四"]
    # What is wider than a line is cut where the line is full.
    assert lines("x" * 9 + "一", 4) == ["xxxx", "xxxx", "x一"]


def test_english_is_left_to_rich() -> None:
    plain = Text("words of one column each")
    assert wrapping.flowing(plain) is plain
    assert pieces.seconds(65.2) == "1 min 05 s"


# The runner.


@pytest.mark.usefixtures("chinese")
def test_the_runner_says_what_it_does_and_why(tmp_path: Path) -> None:
    room = fake.Room(fake.lab(fake.step(1, until="s2"), fake.step(2), fake.step(3)), tmp_path)
    runner = room.runner
    runner.step(3)
    runner.run()
    room.facts.true.discard("f2")
    runner.run()
    assert room.listener.only("note") == [
        "note 缺少第 1 到 2 步，先一并完成。",
        "note 第 1 到 3 步已经完成：检查它们是否仍然成立。",
        "note 第 1 到 3 步已经完成：检查它们是否仍然成立。",
        "note 第 2 步不再成立：从这一步起，后面的全部重做。",
    ]
    assert runner.verify([1]).steps[0].checks[0].reason == "自第 2 步（Step 2）起不再要求"
    with pytest.raises(UsageError, match="第 3 步在第 2 步之后"):
        runner.run(3, 2)


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("fail 7", "退出码是 7，应当是 0"),
        ("hang", "超过 120 秒的时限，已被终止；如果只是慢，SWARMLAB_PATIENCE=3 会给它更多时间"),
    ],
)
def test_why_a_command_failed_is_said_in_chinese(tmp_path: Path, run: str, said: str) -> None:
    failing = fake.step(1, commands=(fake.command(run), fake.command("make f1", "c2")))
    result = fake.Room(fake.lab(failing), tmp_path).runner.step(1)
    first, second = result.steps[0].commands
    assert first.reason == said
    assert second.reason == "它前面的命令 'c1' 失败了"


@pytest.mark.usefixtures("chinese")
def test_why_a_check_was_skipped_is_said_in_chinese(tmp_path: Path) -> None:
    needing = fake.step(1, checks=(fake.check("never"), fake.check("f1", needs=["never"])))
    result = fake.Room(fake.lab(needing), tmp_path).runner.step(1)
    assert result.steps[0].checks[1].reason == "以 'never' 为前提，而它未通过"


@pytest.mark.usefixtures("chinese")
def test_without_a_lab_the_hint_is_chinese(tmp_path: Path) -> None:
    with pytest.raises(LabAbsent, match="没有名为 'default' 的实验环境在运行") as caught:
        fake.Room(fake.lab(fake.step(1)), tmp_path, up=False).runner.verify()
    assert "`swarmlab up` 会创建一个" in caught.value.hint


def test_one_thread_may_speak_another_language_for_a_moment() -> None:
    words.use("zh")
    try:
        other = words.say("Error: ")
        with words.aside("en"):
            assert words.say("Error: ") == "Error: "
        assert words.say("Error: ") == other != "Error: "
    finally:
        words.use(words.MAIN)
