"""The commands of CONTRIBUTING.md work: what `make test` does not do itself is run here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent.parent


def commands() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def recipe(target: str) -> list[str]:
    """What make would run for a target, without running it."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def part_of_make_test(command: str) -> bool:
    """Whether whoever runs this test by `make test` runs the command anyway."""
    found = re.fullmatch(r"make ([a-z-]+)", command)
    return found is not None and set(recipe(found[1])) <= set(recipe("test"))


def test_continuous_integration_runs_make_test() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_page_has_commands_and_fits_one_page() -> None:
    assert {"make test", "make lint", "make docs", "make wheel"} <= set(commands())
    assert part_of_make_test("make lint") and not part_of_make_test("make docs")
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 75


@pytest.mark.parametrize("command", [one for one in commands() if not part_of_make_test(one)])
def test_a_command_of_the_page_works(command: str) -> None:
    done = subprocess.run(
        command, shell=True, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
