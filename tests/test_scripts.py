"""What `make lab` runs before swarmlab is there: the environment, and an engine that answers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from swarmlab.errors import EngineUnreachable

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

# A Python that can do as little as the script asks for. `broken` beside it: no ensurepip.
PYTHON = r"""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
echo "$0 $*" >>"$LOG"
case "$*" in
    *%d.%d*) echo "$(cut -d' ' -f1 "$VERSION").$(cut -d' ' -f2 "$VERSION")" ;;
    *version_info\[:2\]*) cat "$VERSION" ;;
    *ensurepip*) [ ! -e "$BROKEN" ] ;;
    --version) echo "Python $(cat "$VERSION")" ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$VERSION" .venv/pip ;;
    "-m pip --version") cmp -s "$here/../pip" "$VERSION" ;;
esac
"""


class Site:
    """A folder with the script, and programs that write down how they were called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.version = root / "version"
        self.broken = root / "broken"
        (root / "scripts").mkdir()
        (root / "tools").mkdir()
        shutil.copy(SCRIPTS / "venv.sh", root / "scripts")
        (root / "pyproject.toml").write_text("[project]\n")
        self.version.write_text("3 11\n")
        self.program("python", PYTHON)

    def program(self, name: str, text: str) -> None:
        path = self.root / "tools" / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        return subprocess.run(
            ["sh", str(self.root / "scripts" / "venv.sh")],
            env={
                "PATH": f"{self.root / 'tools'}:/usr/bin:/bin",
                "PYTHON": str(self.root / "tools" / "python"),
                "LOG": str(self.log),
                "VERSION": str(self.version),
                "BROKEN": str(self.broken),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    @property
    def called(self) -> str:
        return self.log.read_text()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_an_environment_is_made_once(site: Site) -> None:
    assert site.run().returncode == 0
    assert "-m venv .venv" in site.called
    assert "-m pip install" in site.called
    assert site.run().returncode == 0
    assert "-m venv" not in site.called
    assert "-m pip install" not in site.called


def test_a_half_made_environment_is_made_anew(site: Site) -> None:
    (site.root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(site.root / "tools" / "python", site.root / ".venv" / "bin" / "python")
    assert site.run().returncode == 0
    assert "-m venv .venv" in site.called


def test_another_python_gets_another_environment(site: Site) -> None:
    assert site.run().returncode == 0
    site.version.write_text("3 13\n")
    assert site.run().returncode == 0
    assert "-m venv .venv" in site.called
    assert "-m pip install" in site.called


def test_a_missing_venv_is_installed_and_looked_for_again(site: Site) -> None:
    site.broken.touch()
    site.program("id", "#!/bin/sh\necho 1000\n")
    site.program("sudo", '#!/bin/sh\necho "sudo $*" >>"$LOG"\nshift\nexec "$@"\n')
    site.program("apt-get", '#!/bin/sh\ncase $1 in install) rm "$BROKEN" ;; esac\n')
    assert site.run().returncode == 0
    assert "no_proxy env DEBIAN_FRONTEND=noninteractive apt-get install" in site.called
    # Of the Python that was chosen: Debian's python3 may be another.
    assert "python3.11-venv" in site.called and "python3-venv" not in site.called
    assert "-m venv .venv" in site.called


@pytest.mark.parametrize("code", [0, 100])
def test_an_install_that_does_not_help_is_explained(site: Site, code: int) -> None:
    site.broken.touch()
    site.program("sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    site.program("apt-get", f"#!/bin/sh\nexit {code}\n")
    done = site.run()
    assert done.returncode == 3
    assert "Hint: sudo apt-get install python3.11-venv" in done.stderr
    assert "-m venv" not in site.called


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_script", SCRIPTS / "engine.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_chosen_engine_that_is_absent_is_not_replaced(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A docker context names another engine than the one that apt-get would install."""
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "elsewhere"}))
    cli = tmp_path / "docker"
    told = [{"Name": "elsewhere", "Metadata": {}, "Storage": {"TLSPath": "", "MetadataPath": ""}}]
    told[0]["Endpoints"] = {
        "docker": {"Host": f"unix://{tmp_path}/absent.sock", "SkipTLSVerify": False}
    }
    told[0]["TLSMaterial"] = {}
    cli.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(told)}\nEND\n")
    cli.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EngineUnreachable, match="the docker context elsewhere"):
        script.answer()


def test_no_engine_at_the_default_socket_can_be_mended(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(
        "swarmlab.engine._default_socket", lambda env: f"unix://{tmp_path}/absent.sock"
    )
    monkeypatch.setattr(script, "may_be_absent", lambda: True)
    assert script.answer() is None


def test_sudo_keeps_the_proxy_without_showing_it(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://bob:s3cret@proxy:3128")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    argv = script.as_root("apt-get", "update")
    assert argv[0] == "sudo"
    assert "http_proxy" in argv[1]
    assert "s3cret" not in " ".join(argv)
