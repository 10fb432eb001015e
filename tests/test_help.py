"""Help: whole in every language, laid out for wide characters; and wrong usage, in words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main
from rich.cells import cell_len

from swarmlab import naming, verbose, words
from swarmlab.cli import helping, misuse
from swarmlab.cli.app import app
from swarmlab.loading import nodes
from swarmlab.report import help as layout
from tests.test_cli import swarmlab
from tests.test_words import CODE, ENGLISH, NAMES, OTHERS

each_language = pytest.mark.parametrize("language", OTHERS)


def below(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from below(one, *path, name)


TREE = dict(below(typer.main.get_command(app)))


def texts_of(command: Any) -> list[str]:
    """All that a command's help says of its own, paragraph by paragraph."""
    found = [*layout.paragraphs(command.help or ""), *layout.paragraphs(command.epilog or "")]
    for param in command.params:
        found += layout.paragraphs(getattr(param, "help", None) or "")
    return found


def wanted() -> set[str]:
    """Every text that needs a translation."""
    found = set(layout.OWN)
    for command in TREE.values():
        found |= set(texts_of(command))
        if getattr(command, "commands", None):
            panels = {getattr(one, "rich_help_panel", None) for one in command.commands.values()}
            found |= {panel for panel in panels if isinstance(panel, str)} | {command.others}
    return found


@each_language
def test_no_help_lacks_its_translation_and_none_is_left_over(language: str) -> None:
    catalog = layout.catalog(language)
    assert len(wanted()) > 100
    assert sorted(wanted() - set(catalog)) == []
    assert sorted(set(catalog) - wanted()) == []


# What is typed: the same in every language.
TYPED = re.compile(
    r"--[a-z-]+|\bSWARMLAB_\w+|\{\w+\}|swarmlab (?:walk|run|step 1|down|env swarm-1|verify)"
    r"|[\w.-]*\d[\w.]*|\bCtrl-C\b"
)


@each_language
def test_translated_help_has_the_same_code(language: str) -> None:
    for text, translation in layout.catalog(language).items():
        assert sorted(CODE.findall(translation)) == sorted(CODE.findall(text)), text
        typed = [found.rstrip(".") for found in TYPED.findall(CODE.sub("", text))]
        for one in typed:
            assert one in translation, text
        assert translation.strip(), text


@each_language
def test_a_catalog_of_help_says_everything_once(language: str) -> None:
    wrong: list[str] = []
    data = (words.CATALOGS / "help" / f"{language}.yaml").read_bytes()
    nodes.parse(data, lambda line, column, said: wrong.append(f"{line}:{column}: {said}"))
    assert wrong == []


@pytest.fixture
def english_again() -> Iterator[None]:
    yield
    words.use(words.MAIN)
    naming.choose(naming.DEFAULT)


def shown(path: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command, in Chinese."""
    root: Any = typer.main.get_command(app)
    with pytest.raises(SystemExit) as ended:
        root.main(["--lang", "zh", *path, "--help"], prog_name="swarmlab")
    assert ended.value.code == 0
    return capsys.readouterr().out


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


# Shapes of values, which Typer writes, and names that stand in a sentence.
SHAPES = re.compile(
    r"<[^>]*>|\{[^}]*\}|\[[a-z]+\]|\b(Path|PATH)\b|JUnit XML|JSON schema|Docker Hub"
)


@pytest.mark.usefixtures("english_again")
@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("path", TREE, ids=lambda path: " ".join(path) or "swarmlab")
def test_help_is_whole_in_chinese_and_keeps_to_its_width(
    path: tuple[str, ...],
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    told = shown(path, capsys)
    assert max(cell_len(line) for line in told.splitlines()) < columns
    catalog = layout.catalog("zh")
    for text in texts_of(TREE[path]):
        assert squeezed(catalog[text]) in squeezed(told)
    names = rf"^ +[a-z-]+  |swarmlab\s+(step\b|{' '.join(path)} )"
    left = NAMES.sub("", SHAPES.sub("", re.sub(names, "", told, flags=re.MULTILINE)))
    assert ENGLISH.findall(left) == []


@pytest.mark.parametrize(
    ("args", "variable", "language"),
    [
        (["up"], "", "en"),
        (["up", "--lang", "zh"], "", "zh"),
        (["--lang=zh", "up"], "", "zh"),
        (["up"], "zh_CN.UTF-8", "zh"),
        (["up", "--lang", "en"], "zh", "en"),
        (["--lang", "zh", "up", "--lang", "en"], "", "en"),
        (["ssh", "swarm-1", "--", "x", "--lang", "zh"], "", "en"),
        (["up", "--lang"], "zh", "zh"),
        (["up", "--lang", "fr"], "", "en"),
        (["up"], " ", "en"),
    ],
)
def test_the_language_is_found_wherever_it_is_asked_for(
    args: list[str], variable: str, language: str
) -> None:
    assert helping.asked(args, {"SWARMLAB_LANG": variable}) == language


def test_help_is_chinese_from_the_variable_and_english_where_there_are_no_characters(
    tmp_path: Path,
) -> None:
    listed = swarmlab("images", tmp=tmp_path, SWARMLAB_LANG="zh")
    assert "用法：swarmlab images" in listed.stdout + listed.stderr
    plain = swarmlab(
        *("--lang", "zh", "up", "--help"), tmp=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C"
    )
    assert (plain.returncode, plain.stderr) == (0, "")
    assert plain.stdout.startswith("Usage: swarmlab up")


@pytest.mark.parametrize(
    ("args", "variable", "said"),
    [
        (["--lang", "zh", "step", "99"], "", "没有步骤"),
        (["--lang", "zh", "step", "99"], "en", "没有步骤"),
        (["--lang", "zh", "step", "99", "--lang", "en"], "", "There is no step"),
        (["--lang", "en", "step", "99"], "zh", "There is no step"),
        (["--lang", "fr", "step", "99"], "", "does not speak 'fr'"),
        (["--lang", "fr", "--help"], "", "does not speak 'fr'"),
    ],
)
def test_the_language_before_the_command_holds_for_it(
    args: list[str], variable: str, said: str, tmp_path: Path
) -> None:
    done = swarmlab(*args, tmp=tmp_path, SWARMLAB_LANG=variable)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("swarmlab st", "停止实验环境的节点和工作站，保留其中的一切。"),
        ("swarmlab images pu", "把镜像放进镜像仓库，供不能或不应构建镜像的机器使用。"),
        ("swarmlab verify --na", "这台机器上的哪个实验环境；每个名称对应一个独立的集群。"),
    ],
)
def test_completion_describes_in_chinese(typed: str, said: str, tmp_path: Path) -> None:
    for language, spoken in (("zh", True), ("", False)):
        done = swarmlab(
            tmp=tmp_path,
            SWARMLAB_LANG=language,
            _SWARMLAB_COMPLETE="complete_zsh",
            _TYPER_COMPLETE_ARGS=typed,
        )
        assert done.stdout
        assert (said in done.stdout) is spoken


def test_help_can_be_asked_for_where_nobody_reads(tmp_path: Path) -> None:
    """Without a standard output, in no matter which order the languages are named."""
    for words_ in (["--lang", "zh", "--help"], ["--lang", "en", "up", "--help", "--lang", "zh"]):
        done = swarmlab(*words_, tmp=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    shell = f'exec "{sys.executable}" -m swarmlab --lang zh --help >&-'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=180)
    assert "Traceback" not in done.stderr


def test_groups_list_their_commands_with_whole_sentences(tmp_path: Path) -> None:
    told = swarmlab("images", "--help", tmp=tmp_path).stdout
    assert "what is built already is left as it is." in " ".join(told.split())
    assert "..." not in told.partition("Commands:")[2]


# Wrong usage.

WRONG = [
    (["stats"], "There is no command 'stats'", "没有命令 'stats'", "Did you mean status or start"),
    (["up", "--nam", "x"], "There is no option --nam", "没有选项 --nam", "up --help"),
    (["step"], "The argument 'which' is missing", "缺少参数 'which'", "step --help"),
    (["images", "push"], "variable SWARMLAB_REGISTRY", "缺少选项 --registry", "push --help"),
    (["up", "--managers", "x"], "it must be a whole number", "应当是整数", "up --help"),
    (["up", "--managers", "9"], "it can be at most 7", "最大是 7", "up --help"),
    (["up", "--workers=-1"], "it must be at least 0", "至少是 0", "up --help"),
    (["up", "--reach", "x"], "'x' is none of 'auto'", "'x' 不在 'auto'", "up --help"),
    (["up", "--name"], "needs a value after it", "后面要有一个值", "--help"),
    (["up", "--rename=3"], "takes no value", "不带值", "--help"),
    (["list", "a", "b"], "Too much on the command line: a b", "多余的内容：a b", "list --help"),
]


@pytest.mark.usefixtures("english_again")
@pytest.mark.parametrize(("args", "english", "chinese", "hint"), WRONG)
def test_wrong_usage_says_what_and_what_next(
    args: list[str],
    english: str,
    chinese: str,
    hint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SWARMLAB_REGISTRY", raising=False)
    for language, said, head in (("en", english, "Error: "), ("zh", chinese, "错误：")):
        with pytest.raises(SystemExit) as ended:
            typer.main.get_command(app).main(["--lang", language, *args], prog_name="swarmlab")
        told = " ".join(capsys.readouterr().err.split())
        assert ended.value.code == 2
        assert told.startswith(head)
        assert said in told
        if language == "en":
            assert hint in told.partition("What next: ")[2]
            assert "Did you mean ?" not in told
        else:
            left = NAMES.sub("", SHAPES.sub("", re.sub("st(art|atus|eps?)", "", told)))
            assert ENGLISH.findall(left) == []


class Raised(Exception):
    """Stands for what another version of the parser raises."""

    ctx = None

    def format_message(self) -> str:
        return str(self)


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        ("No such command 'stats'. Did you mean 'status', 'start'?", "no command 'stats'"),
        ("No such option: --nam Did you mean --name?", "no option --nam."),
        ("No such option '--nam'. Did you mean '--name'?", "no option --nam."),
        ("Missing argument 'WHICH'.", "'WHICH' is missing"),
        ("Missing option '--reach'. Choose from:\n\tauto,\n\tdirect", "--reach is missing"),
        ("Invalid value for '--managers': 9 is not in the range 1<=x<=7.", "from 1 to 7"),
        ("Invalid value for '--managers': 'x' is not a valid integer range.", "a whole number"),
        ("Invalid value for '--managers': 'x' is not a valid int.", "a whole number"),
        ("Got unexpected extra argument (a)", "command line: a"),
        ("Got unexpected extra arguments (a b)", "command line: a b"),
        ("Something that nobody foresaw.", "Something that nobody foresaw."),
    ],
)
def test_what_other_versions_of_the_parser_say_is_understood(parser: str, said: str) -> None:
    told = misuse.misused(Raised(parser))
    assert said in told.message
    assert told.hint
    if "Did you mean" in parser:
        assert told.hint.startswith("Did you mean ")


@pytest.mark.usefixtures("english_again")
@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        (["--name", "x", "status"], "stands after the command: `swarmlab status --name x`."),
        (["--watch", "status"], "--watch stands after the command: `swarmlab status --watch`."),
        (["--name=x", "up", "--managers", "3"], "`swarmlab up --name=x --managers 3`."),
        (["fault", "--name", "x", "stop", "swarm-1"], "`swarmlab fault stop --name x swarm-1`."),
        (["--watch", "--name", "x", "status"], "`swarmlab status --name x --watch`."),
        (["lab", "--student", "a b", "lint", "x"], "option --student. Usage"),
        (["lab", "--name", "a b", "test", "x"], "`swarmlab lab test --name 'a b' x`."),
        (["--name", "x"], "`swarmlab --help` tells"),
        (["doctor", "--name", "x"], "`swarmlab doctor --help` tells"),
        (["help"], "`swarmlab --help` tells"),
    ],
)
def test_a_far_guess_is_not_offered(
    args: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        typer.main.get_command(app).main(args, prog_name="swarmlab")
    told = " ".join(capsys.readouterr().err.split())
    assert wanted in told and "Did you mean" not in told


# Where the options of swarmlab as a whole are put: before, behind a group, behind a command.
ANYWHERE = [
    (before, behind, after)
    for words in (("lab", "lint"), ("fault", "heal"), ("images",), ("lab", "schema"), ("steps",))
    for before, behind, after in (
        (("@",), words[:1], words[1:]),
        ((), (*words[:1], "@"), words[1:]),
        ((), words[:1], (*words[1:], "@")),
    )
]


@pytest.mark.usefixtures("english_again")
@pytest.mark.parametrize("parts", ANYWHERE, ids=str)
def test_the_language_may_stand_anywhere(
    parts: Sequence[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for put in (["--lang", "zh"], ["--lang=zh"]):
        args = [one for part in parts for word in part for one in (put if word == "@" else [word])]
        with pytest.raises(SystemExit) as ended:
            typer.main.get_command(app).main([*args, "--help"], prog_name="swarmlab")
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith("用法：swarmlab")


@pytest.mark.usefixtures("english_again")
@pytest.mark.parametrize("parts", ANYWHERE, ids=str)
def test_the_calls_of_engines_may_be_asked_for_anywhere(
    parts: Sequence[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbose, "_on", False)
    # What is wrong behind it comes to light when all before it was understood.
    args = [word.replace("@", "--verbose") for part in parts for word in part]
    with pytest.raises(SystemExit) as ended:
        typer.main.get_command(app).main([*args, "--lang", "nobody's"], prog_name="swarmlab")
    assert ended.value.code == 2
    assert verbose._on


def test_a_language_behind_a_group_is_that_of_its_command(tmp_path: Path) -> None:
    folder = Path(__file__).parent / "packs" / "tiny"
    told = swarmlab("lab", "--lang", "zh", "lint", str(folder), tmp=tmp_path)
    assert told.returncode == 0 and "步" in told.stdout
    told = swarmlab("lab", "--lang", "zh", "lint", str(folder), "--lang", "en", tmp=tmp_path)
    assert told.returncode == 0 and "step" in told.stdout


def test_what_runs_elsewhere_keeps_its_options() -> None:
    """`ssh` hands on what follows the node, whatever it is."""
    root = typer.main.get_command(app)
    ssh: Any = TREE[("ssh",)]
    words = ["swarm-1", "docker", "ps", "--verbose", "--lang", "x"]
    context = ssh.make_context("ssh", list(words), parent=typer.Context(root))
    assert [context.params["node"], *context.params["words"]] == words


def test_what_is_understood_everywhere_is_shown_once(tmp_path: Path) -> None:
    assert "--verbose" in swarmlab("--help", tmp=tmp_path).stdout
    assert "--verbose" not in swarmlab("status", "--help", tmp=tmp_path).stdout
