"""The state folder: made for its user alone, and explained when it cannot be."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from swarmlab import state
from swarmlab.cluster import keys
from swarmlab.cluster.lock import lock
from swarmlab.errors import EnvironmentProblem


@pytest.fixture
def barred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that nobody can make, not even root: a file is in its place."""
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(file))
    return file


def test_a_folder_is_made_for_its_user_alone_and_made_again_without_complaint(
    tmp_path: Path,
) -> None:
    wanted = tmp_path / "one" / "two"
    assert state.made(wanted) == wanted
    assert state.made(wanted) == wanted
    assert stat.S_IMODE(wanted.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_says_which_why_and_what_to_do(barred: Path) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        state.made(state.folder() / "labs")
    assert str(state.folder() / "labs") in caught.value.message
    assert "Not a directory" in caught.value.message
    assert "XDG_STATE_HOME" in caught.value.hint


def test_a_lock_file_that_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    taken = tmp_path / "locks" / "default.lock"
    taken.mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match=r"default\.lock cannot be written"):
        state.opened(taken)


@pytest.mark.usefixtures("barred")
def test_the_lock_of_a_lab_explains_a_state_folder_that_cannot_be_made() -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be written"), lock("default"):
        raise AssertionError("the lock was taken")


@pytest.mark.usefixtures("barred")
def test_certificates_explain_a_state_folder_that_cannot_be_made() -> None:
    found = keys.Keys(b"ca", keys.Pair(b"cert", b"key"), {})
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        keys.cache("default", "0", found)


def test_many_may_write_the_certificates_of_a_lab_at_once_and_all_find_them_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = keys.Keys(b"ca", keys.Pair(b"cert", b"key"), {})

    def write(number: int) -> Path | None:
        instance = f"instance-{number // 8}"
        return keys.cache("default", instance, found) and keys.cached("default", instance)

    for number in range(0, 160, 8):
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(write, range(number, number + 8))) == {keys.cache_folder("default")}
    folder = keys.cache_folder("default")
    assert sorted(path.name for path in folder.iterdir()) == [
        "ca.pem",
        "cert.pem",
        "instance",
        "key.pem",
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_every_folder_of_ours_is_for_this_user_alone() -> None:
    made = state.made(state.lab_folder("default") / "certs")
    for path in (made, *made.parents):
        if path.is_relative_to(state.folder()):
            assert path.stat().st_mode & 0o777 == 0o700, path
