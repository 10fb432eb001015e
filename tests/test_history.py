"""What was typed in the workstation, kept on this machine."""

from __future__ import annotations

import io
import stat
import tarfile
from typing import Any, cast

import docker.errors
import pytest

from swarmlab import state
from swarmlab.cluster import history
from swarmlab.progress import SilentProgress


class Api:
    """An engine with one workstation and one file in it."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.given: list[tuple[str, bytes]] = []

    def get_archive(self, name: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        if self.content is None:
            raise docker.errors.NotFound("no such file")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo(".bash_history")
            entry.size = len(self.content)
            archive.addfile(entry, io.BytesIO(self.content))
        return [buffer.getvalue()], {}

    def put_archive(self, name: str, path: str, data: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                file = archive.extractfile(entry)
                if file is not None:
                    assert entry.mode == 0o600
                    self.given.append((f"{path}{entry.name}", file.read()))


def client(api: Api) -> Any:
    return cast(Any, type("Client", (), {"api": api})())


def test_it_comes_back_into_a_new_workstation_and_only_its_user_can_read_it() -> None:
    history.keep(client(Api(b"docker ps\ncurl x\n")), "monday", SilentProgress())
    kept = history.path("monday")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert not kept.is_relative_to(state.lab_folder("monday"))  # which `down` removes
    new = Api()
    history.give(client(new), "monday")
    assert new.given == [("/root/.bash_history", b"docker ps\ncurl x\n")]
    history.give(client(new), "tuesday")
    assert len(new.given) == 1


def test_lines_with_secrets_are_not_kept() -> None:
    typed = b"\n".join(
        [
            b"docker swarm join --token SWMTKN-1-abc-def 10.0.0.1:2377",
            b"docker ps",
            b"curl -H 'Authorization: Bearer abc' x",
            b"curl https://me:secret@example.org",
            b"export DB_PASSWORD=abc",
            b"",
            b"docker swarm join-token manager",
        ]
    )
    assert history.harmless(typed) == b"docker ps\ndocker swarm join-token manager\n"


def test_it_does_not_grow_without_end_and_bears_any_bytes() -> None:
    lines = b"".join(b"echo %d\n" % n for n in range(5000))
    kept = history.harmless(lines).splitlines()
    assert len(kept) == history.MOST_LINES and kept[-1] == b"echo 4999"
    assert history.harmless(b"\xff\xfe echo\n").endswith(b"echo\n")
    assert history.harmless(b"") == b""


def test_nothing_typed_keeps_what_was_kept() -> None:
    history.keep(client(Api(b"docker ps\n")), "monday", SilentProgress())
    history.keep(client(Api(None)), "monday", SilentProgress())
    history.keep(client(Api(b"")), "monday", SilentProgress())
    assert history.path("monday").read_bytes() == b"docker ps\n"


def test_what_cannot_be_kept_stops_no_down(monkeypatch: pytest.MonkeyPatch) -> None:
    class Heard(SilentProgress):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    state.folder().mkdir(parents=True)
    (state.folder() / "history").write_text("a file where a folder should be")
    told = Heard()
    history.keep(client(Api(b"docker ps\n")), "monday", told)
    assert len(told.notes) == 1 and "history is lost" in told.notes[0]


def test_a_line_that_was_cut_is_not_kept() -> None:
    secret = b"curl --token abcdefghijklmnop" + b"z" * history.MOST_BYTES
    rest = b"\ndocker ps\n"
    assert history.harmless(secret + rest) == b"docker ps\n"
    assert history.harmless(rest) == b"docker ps\n"
