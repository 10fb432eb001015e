"""The worked example for authors of labs, on a real cluster: every line that the page shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swarmlab.cluster import lifecycle

pytestmark = [pytest.mark.docker, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = Path("docs") / "examples" / "hello-swarm"


def test_the_worked_example_is_proven_with_its_mistakes_and_resets() -> None:
    name = f"author-{os.getpid()}"
    try:
        done = subprocess.run(
            [sys.executable, "scripts/lab.py", str(EXAMPLE), "--run", "--name", name],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
    finally:
        lifecycle.down(name)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (ROOT / "docs" / "authors" / "lab.md").read_text(encoding="utf-8")
    lines = [
        line
        for block in page.split("```")[1::2]
        for line in block.splitlines()
        if line.startswith(("hello-swarm:", "The mistake", "Back to", "· Resetting", "All "))
    ]
    assert len(lines) == 5
    for line in lines:
        assert line in done.stdout.splitlines()
