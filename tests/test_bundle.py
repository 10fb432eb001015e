"""Bundles: what is written can be read, and what is broken is never taken for whole."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import ImageNotFound

from swarmlab.bundle import creating, installer, loading, manifest, package, writing
from swarmlab.bundle.reading import opened
from swarmlab.errors import EnvironmentProblem, ImageProblem, UsageError
from swarmlab.images import builder, recipe
from swarmlab.progress import SilentProgress
from tests.bundle_site import WHEEL, made


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    content = made(tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as bundle:
        bundle.check()
        assert b"".join(bundle.images()) == content
        assert bundle.manifest.wheels == (WHEEL,)
        assert manifest.parse(bundle.manifest.to_json()) == bundle.manifest
        assert loading.unfit(bundle.manifest) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_images_are_packed_for_good(tmp_path: Path) -> None:
    """What repeats far away counts once: the nodes' image holds the other images' layers."""
    with writing.written(tmp_path / "b.zip") as writer:
        import os

        noise = os.urandom(1 << 20)
        size = writer.add_images([noise, *[bytes(1 << 20)] * 20, noise])
    assert size == 22 << 20
    assert (tmp_path / "b.zip").stat().st_size < 1.2 * (1 << 20)


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9999])
def test_a_copy_that_broke_off_is_not_whole(tmp_path: Path, part: float) -> None:
    made(tmp_path / "b.zip")
    whole = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ImageProblem, match=r"not whole: it breaks off after 0\.\d MB") as caught:
        refused(tmp_path / "b.zip")
    assert "bundle fetch" in caught.value.hint


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_found(tmp_path: Path, where: float) -> None:
    made(tmp_path / "b.zip")
    content = bytearray((tmp_path / "b.zip").read_bytes())
    content[int(len(content) * where)] ^= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(ImageProblem, match="damaged"):
        refused(tmp_path / "b.zip")


def test_a_member_that_was_exchanged_is_found(tmp_path: Path) -> None:
    """ZIP's own sums are right in such a file: only the list's can tell."""
    made(tmp_path / "b.zip")
    rewritten(tmp_path / "b.zip", {WHEEL: b"other!!"})
    with pytest.raises(ImageProblem, match="checksum of wheels/"):
        refused(tmp_path / "b.zip")


def test_what_the_list_does_not_name_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "b.zip")
    rewritten(tmp_path / "b.zip", {"../../etc/cron.d/x": b"* * * * * root true"})
    with pytest.raises(ImageProblem, match="does not name: "):
        refused(tmp_path / "b.zip")


def rewritten(path: Path, members: dict[str, bytes]) -> None:
    """The same ZIP file with some members exchanged or added."""
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**kept, **members}.items():
            archive.writestr(name, content)


def refused(path: Path) -> None:
    with opened(path) as bundle:
        bundle.check()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no bundle"), (b"hello", "no bundle"), (b"PK\x03\x04hello", "not whole")],
)
def test_other_files_are_no_bundles(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ImageProblem, match=words):
        refused(tmp_path / "x")
    with pytest.raises(UsageError, match="There is no file"):
        refused(tmp_path / "none")


def test_another_zip_file_is_no_bundle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(ImageProblem, match="no bundle of swarmlab's"):
        refused(tmp_path / "x.zip")
    rewritten(tmp_path / "x.zip", {manifest.NAME: b'{"kind": "other"}'})
    with pytest.raises(ImageProblem, match="no bundle of swarmlab's"):
        refused(tmp_path / "x.zip")


def test_a_format_of_tomorrow_is_named(tmp_path: Path) -> None:
    made(tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as bundle:
        told = json.loads(bundle.manifest.to_json())
    told |= {"format": manifest.FORMAT + 1, "swarmlab": "9.0.0"}
    rewritten(tmp_path / "b.zip", {manifest.NAME: json.dumps(told).encode()})
    with pytest.raises(ImageProblem, match=r"format 2, made by swarmlab 9\.0\.0"):
        refused(tmp_path / "b.zip")


# Writing.


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk that holds .* is full"), (errno.EACCES, "written")]
)
def test_a_full_disk_leaves_nothing_and_keeps_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    made(tmp_path / "b.zip")
    before = (tmp_path / "b.zip").read_bytes()

    def full(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(writing._Summing, "write", full)
    with pytest.raises(EnvironmentProblem, match=words) as caught:
        made(tmp_path / "b.zip")
    assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
    assert (tmp_path / "b.zip").read_bytes() == before


def test_an_interruption_leaves_nothing_and_keeps_the_old_bundle(tmp_path: Path) -> None:
    made(tmp_path / "b.zip")
    before = (tmp_path / "b.zip").read_bytes()
    with pytest.raises(KeyboardInterrupt), writing.written(tmp_path / "b.zip") as writer:
        writer.add("one", b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
    assert (tmp_path / "b.zip").read_bytes() == before


class Begun(Exception):
    """Nothing was refused: the images would be looked for now."""


def test_a_file_that_is_there_is_replaced_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr(builder, "ensure", begin)

    def create(force: bool) -> None:
        creating.create(
            tmp_path / "b.zip",
            engine=cast(Any, None),
            pythons=(),
            progress=SilentProgress(),
            force=force,
        )

    with pytest.raises(Begun):
        create(force=False)
    (tmp_path / "b.zip").write_text("mine")
    with pytest.raises(UsageError, match=r"b\.zip exists already") as caught:
        create(force=False)
    assert "`--force`" in caught.value.hint
    with pytest.raises(Begun):
        create(force=True)
    assert (tmp_path / "b.zip").read_text() == "mine"


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    mine = [f"b.zip.{os.getppid()}.part", "other.zip.1.part", "b.zip.x.part"]
    for name in (*mine, f"b.zip.{ended.pid}.part"):
        (tmp_path / name).write_bytes(b"half")
    with writing.written(tmp_path / "b.zip"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"b.zip", *mine}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be written: No such file"):
        made(tmp_path / "none" / "b.zip")


# Loading: what is refused before an engine is given anything.


class Untouched:
    """An engine that says what it is, and fails the test when it is given something."""

    def __init__(self, architecture: str = "x86_64") -> None:
        self.architecture = architecture

    def info(self) -> dict[str, str]:
        return {"Architecture": self.architecture}


def load(path: Path, engine: Untouched) -> None:
    with opened(path) as bundle:
        loading.load(bundle, engine=cast(Any, engine), progress=SilentProgress())


def test_images_of_another_version_are_refused(tmp_path: Path) -> None:
    made(tmp_path / "b.zip", version="9.9.9", key="0123456789ab")
    with pytest.raises(ImageProblem, match=r"made by swarmlab 9\.9\.9 and this is") as caught:
        load(tmp_path / "b.zip", Untouched())
    assert "python3" in caught.value.hint
    made(tmp_path / "b.zip", key="0123456789ab")
    with pytest.raises(ImageProblem, match="from other sources"):
        load(tmp_path / "b.zip", Untouched())


def test_images_for_another_processor_are_refused(tmp_path: Path) -> None:
    made(tmp_path / "b.zip")
    with pytest.raises(ImageProblem, match="for amd64, and the engine runs on arm64"):
        load(tmp_path / "b.zip", Untouched("aarch64"))


def test_a_damaged_bundle_never_reaches_the_engine(tmp_path: Path) -> None:
    made(tmp_path / "b.zip")
    rewritten(tmp_path / "b.zip", {WHEEL: b"other!!"})
    with pytest.raises(ImageProblem, match="damaged"):
        load(tmp_path / "b.zip", Untouched())


# The package inside.


class Refusing(Untouched):
    """An engine that takes the first image and then breaks; `tags` are its images by tag."""

    def __init__(self, tags: dict[str, str]) -> None:
        super().__init__()
        self.tags = tags
        self.api = self

    def inspect_image(self, reference: str) -> dict[str, str]:
        if reference not in self.tags:
            raise ImageNotFound(reference)
        return {"Id": self.tags[reference]}

    def remove_image(self, reference: str) -> None:
        del self.tags[reference]

    def tag(self, image: str, name: str, tag: str) -> None:
        self.tags[f"{name}:{tag}"] = image


@pytest.mark.parametrize("older", [{}, {recipe.reference("workstation"): "older"}])
@pytest.mark.parametrize("moved", [True, False])
def test_a_load_that_fails_leaves_every_tag_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: dict[str, str], moved: bool
) -> None:
    """Also one of the same name at an image with other layers."""
    made(tmp_path / "b.zip")
    engine = Refusing({**older, "other:1": "other"})

    def broken(*_: object) -> None:
        if moved:
            engine.tags[recipe.reference("workstation")] = "new"
        raise ImageProblem("the disk is full")

    monkeypatch.setattr(loading, "_present", lambda engine, held: set())
    monkeypatch.setattr(loading, "_give", broken)
    with pytest.raises(ImageProblem, match="full"):
        load(tmp_path / "b.zip", engine)
    assert engine.tags == {**older, "other:1": "other"}


def test_an_installed_package_becomes_the_wheel_that_it_was(tmp_path: Path) -> None:
    """Tried with one of the packages that are installed here, which pip then takes again."""
    wheel = package.repack(distribution("platformdirs"), tmp_path)
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-deps", "--target", str(tmp_path / "there"), str(wheel)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "platformdirs" / "unix.py").is_file()
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".pyc", "INSTALLER"))]


def run_inside(path: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(path), *words],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **extra},
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pythons": ["3.4"]}, "are for Python 3.4 on"),
        ({"system": "Plan9 vax"}, "on Plan9 vax; this is"),
        ({"pythons": []}, "holds the images only"),
    ],
)
def test_the_bundle_run_by_a_python_that_it_is_not_for(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    made(tmp_path / "b.zip")
    with opened(tmp_path / "b.zip") as bundle:
        told = json.loads(bundle.manifest.to_json())
    told |= {"pythons": [package.this_python()], "system": package.here(), **change}
    rewritten(
        tmp_path / "b.zip",
        {manifest.NAME: json.dumps(told).encode(), manifest.PROGRAM: installer.program()},
    )
    done = run_inside(tmp_path / "b.zip", str(tmp_path / "there"))
    assert done.returncode == 3
    assert words in done.stderr
    assert "What next: " in done.stderr
    assert not (tmp_path / "there").exists()


def test_the_bundle_run_with_a_damaged_wheel_installs_nothing(tmp_path: Path) -> None:
    installable(tmp_path / "b.zip")
    rewritten(tmp_path / "b.zip", {WHEEL: b"other!!"})
    done = run_inside(tmp_path / "b.zip", str(tmp_path / "there"))
    assert done.returncode == 3
    assert "damaged" in done.stderr
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SWARMLAB_LANG": "zh_CN"}, "错误："),
        ({"SWARMLAB_LANG": "zh", "PYTHONIOENCODING": "ascii"}, "Error: "),
        ({"SWARMLAB_LANG": "fr"}, "Error: "),
    ],
)
def test_the_bundle_run_speaks_the_language_of_the_student(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    installable(tmp_path / "b.zip")
    there = tmp_path / "there"
    there.write_text("mine")
    done = run_inside(tmp_path / "b.zip", str(there), **settings)
    assert done.returncode == 3
    assert done.stderr.startswith(said)
    assert str(there) in done.stderr
    assert ("Name another folder" in done.stderr) is (said == "Error: ")


@pytest.mark.parametrize("kind", ["full", "file", "link"])
def test_the_bundle_run_leaves_a_folder_alone_that_is_somebody_elses(
    tmp_path: Path, kind: str
) -> None:
    installable(tmp_path / "b.zip")
    there = tmp_path / "there"
    if kind == "full":
        (there / "bin").mkdir(parents=True)
        (there / "bin" / "python").write_text("mine")
    elif kind == "file":
        there.write_text("mine")
    else:
        there.symlink_to(tmp_path / "nowhere")
    before = [path.name for path in tmp_path.rglob("*")]
    done = run_inside(tmp_path / "b.zip", str(there))
    assert done.returncode == 3
    assert "it is not swarmlab's" in done.stderr
    assert "Name another folder" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == before


@pytest.mark.parametrize("ours", [".swarmlab-bundle", "bin/swarmlab", ""])
def test_the_bundle_run_again_goes_on_in_its_own_folder(tmp_path: Path, ours: str) -> None:
    """As far as the wheel, which is none: pip says so, so it was let in."""
    installable(tmp_path / "b.zip")
    folder = tmp_path / "there"
    folder.mkdir()
    if ours:
        (folder / ours).parent.mkdir(exist_ok=True)
        (folder / ours).write_text("")
    done = run_inside(tmp_path / "b.zip", str(folder))
    assert "-m pip" in done.stderr
    assert (folder / ".swarmlab-bundle").is_file()


def installable(path: Path) -> None:
    """A bundle that this Python takes, although there is no swarmlab in it."""
    made(path)
    with opened(path) as bundle:
        told = json.loads(bundle.manifest.to_json())
    told |= {"pythons": [package.this_python()], "system": package.here()}
    content = {manifest.NAME: json.dumps(told).encode(), manifest.PROGRAM: installer.program()}
    rewritten(path, content)


def test_pip_that_gathers_nothing_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = SimpleNamespace(ok=False, exit_code=1, tail=lambda: "no index")
    monkeypatch.setattr("swarmlab.process.run", lambda *a, **k: ended)
    with pytest.raises(EnvironmentProblem, match="pip could not gather") as caught:
        package.gather(tmp_path, ["3.11"], lambda text: None)
    assert "--no-package" in caught.value.hint
