"""The worked example for authors of labs: its files are sound, and what is not is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "hello-swarm"


def look(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", "lab", "lint", str(folder)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_the_files_of_the_example_are_sound_and_counted_as_the_page_says() -> None:
    done = look(EXAMPLE)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "docs" / "authors" / "lab.md").read_text(encoding="utf-8")
    assert done.stdout.strip() in page.splitlines()


def test_what_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    shutil.copytree(EXAMPLE, folder)
    text = (folder / "lab.yaml").read_text(encoding="utf-8")
    wrong = text.replace("check: swarm.network", "check: swarm.netwrok")
    (folder / "lab.yaml").write_text(wrong, encoding="utf-8")
    (folder / "text" / "en" / "02-scale.md").unlink()
    done = look(folder)
    assert done.returncode == 2
    line = wrong[: wrong.index("swarm.netwrok")].count("\n") + 1
    assert f"lab.yaml:{line}" in done.stdout
    assert "did you mean swarm.network" in done.stdout
    assert "02-scale.md" in done.stdout
