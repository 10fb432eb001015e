"""The rules of the house that can be read off the source: who may import what, and how long."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "swarmlab"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 330


def imported(path: Path) -> set[str]:
    """Every module that a file imports at run time, also inside functions.

    Imports under `if TYPE_CHECKING` are for the type checker only and are left out.
    """
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.add(child.module)
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def uses(path: Path, *packages: str) -> list[str]:
    return sorted(
        module
        for module in imported(path)
        if any(module == package or module.startswith(package + ".") for package in packages)
    )


@pytest.mark.parametrize("module", ["model", "results", "errors", "wait"])
def test_values_know_no_engine_and_no_terminal(module: str) -> None:
    path = PACKAGE / f"{module}.py"
    assert uses(path, "docker", "rich", "typer", "requests", "python_on_whales") == []


def test_runner_knows_no_provider_and_no_cluster() -> None:
    assert uses(PACKAGE / "runner.py", "swarmlab.providers", "swarmlab.cluster") == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "providers").glob("*.py")), ids=name)
def test_providers_know_no_cluster(path: Path) -> None:
    assert uses(path, "swarmlab.cluster") == []


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_typer_and_rich_stay_in_their_rooms(path: Path) -> None:
    module = name(path)
    if not module.startswith(("swarmlab.cli", "swarmlab.__main__")):
        assert uses(path, "typer") == []
    if not module.startswith(("swarmlab.report", "swarmlab.console")):
        assert uses(path, "rich") == []


@pytest.mark.parametrize(
    "path", MODULES + sorted((ROOT / "compose").rglob("*.py")), ids=lambda p: p.stem
)
def test_no_module_scrolls_for_ever(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if source.strip():
        assert ast.get_docstring(ast.parse(source))


def test_only_wait_waits() -> None:
    sleepers = [
        name(path)
        for path in MODULES
        if path.name != "wait.py" and "time.sleep" in path.read_text(encoding="utf-8")
    ]
    assert sleepers == []
