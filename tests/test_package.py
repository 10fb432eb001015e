"""What can be said of the package without building it: one version, and what belongs to it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from swarmlab import __version__

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "swarmlab/__init__.py"
    files = [path for path in (ROOT / "swarmlab").rglob("*.py") if path.name != "__init__.py"]
    assert [path for path in files if f'"{__version__}"' in path.read_text("utf-8")] == []


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == __version__
    assert len(set(versions)) == len(versions)


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert PROJECT["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_what_the_documents_need_the_tests_have_too() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras["docs"]) <= set(extras["dev"])


def test_the_folders_that_travel_inside_exist() -> None:
    inside = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(inside) == {"labs", "compose"}
    for folder, place in inside.items():
        assert (ROOT / folder).is_dir()
        assert place == f"swarmlab/_data/{folder}"


def test_nothing_built_is_kept_in_the_repository() -> None:
    done = subprocess.run(
        ["git", "check-ignore", "site/index.html", "dist/x.whl", ".venv/x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert len(done.stdout.split()) == 3
