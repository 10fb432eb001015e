"""A bundle over the network of a room: thirty laptops, broken connections, and the curious."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import cast

import pytest

from swarmlab import flock
from swarmlab.bundle import fetching, serving
from swarmlab.errors import EnvironmentProblem, ImageProblem, UsageError
from swarmlab.progress import SilentProgress
from swarmlab.wait import Observation, until
from tests.bundle_site import Copies, made, served

URL = f"/{serving.NAME}"
SIZE = 4_000_000
LAPTOPS = 30


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "room" / "b.zip"
    path.parent.mkdir()
    made(path, size=SIZE)
    (path.parent / "secret").write_text("nobody's business")
    return path


@pytest.fixture
def place(bundle: Path) -> Iterator[tuple[str, int]]:
    with served(bundle) as address:
        yield address


def ask(
    address: tuple[str, int], method: str, path: str, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(*address, timeout=20)
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, headers=sent)
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def fetched(address: tuple[str, int], target: Path) -> fetching.Fetched:
    return fetching.fetch(f"http://{address[0]}:{address[1]}{URL}", target, SilentProgress())


# Thirty laptops.


def test_thirty_laptops_fetch_it_while_others_are_slow_or_break_off(
    bundle: Path, tmp_path: Path
) -> None:
    copies = Copies()
    wanted = hashlib.sha256(bundle.read_bytes()).hexdigest()

    def laptop(number: int) -> str:
        target = tmp_path / f"{number}.zip"
        fetched(address, target)
        return hashlib.sha256(target.read_bytes()).hexdigest()

    with served(bundle, copies) as address:
        asked = f"GET {URL} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        slow = [socket.create_connection(address) for _ in range(5)]
        for one in slow:
            one.sendall(asked)  # and never reads the answer
        mute = [socket.create_connection(address) for _ in range(5)]
        for _ in range(5):
            with socket.create_connection(address) as broken:
                broken.sendall(asked)
                broken.recv(1000)
        start = time.process_time()
        with ThreadPoolExecutor(LAPTOPS) as room:
            sums = list(room.map(laptop, range(LAPTOPS)))
        seconds = time.process_time() - start
        for one in (*slow, *mute):
            one.close()
    assert set(sums) == {wanted}
    assert sum(whole for _, whole in copies.all) == LAPTOPS
    rate = LAPTOPS * bundle.stat().st_size / seconds / 1e6
    # For each second of processor time, which server, laptops and their checks share in this one
    # process: by the clock it depends on what else the machine does.
    assert rate > 20, f"{rate:.0f} MB/s"


# Nothing but the bundle.


@pytest.mark.parametrize(
    "path",
    ["/", "/secret", "/b.zip", "/../secret", "/room/../secret", f"{URL}/", f"{URL}/../secret",
     f"{URL}?x",  "/%2e%2e/secret", "/..%2fsecret", "//etc/passwd", "/etc/passwd",
     "http://127.0.0.1/etc/passwd", f"{URL}%00", "*", "/swarmlab-bundle.ZIP"],
)  # fmt: skip
def test_no_other_path_is_answered(place: tuple[str, int], path: str) -> None:
    status, content, _ = ask(place, "GET", path)
    assert (status, content) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_no_other_method_is_answered(place: tuple[str, int], method: str) -> None:
    status, content, headers = ask(place, method, URL)
    assert (status, content) == (405, b"")
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /secret\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"\x16\x03\x01\x02\x00" + b"\0" * 100 + b"\r\n\r\n",
    ],
)
def test_malformed_requests_get_no_content(
    place: tuple[str, int], bundle: Path, raw: bytes
) -> None:
    with socket.create_connection(place, timeout=20) as client:
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while block := client.recv(65536):
                answer += block
        except ConnectionResetError:
            pass  # it was cut off before it had read everything
    assert len(answer) < 1000
    assert b"nobody" not in answer
    assert ask(place, "HEAD", URL)[0] == 200


def test_what_comes_in_the_files_place_is_not_given(bundle: Path) -> None:
    whole = bundle.read_bytes()
    with served(bundle) as address:
        bundle.unlink()
        bundle.symlink_to(bundle.parent / "secret")
        status, content, _ = ask(address, "GET", URL)
    assert (status, content) == (200, whole)


def test_a_broken_bundle_is_not_served(bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes()[:-100])
    with pytest.raises(ImageProblem, match="not whole"), served(bundle):
        pass


# Bounds.


def test_places_are_bounded_and_come_back(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PLACES", 3)
    with served(bundle) as address:
        held = [socket.create_connection(address) for _ in range(3)]

        def turned_away() -> Observation[None]:
            status, _, headers = ask(address, "HEAD", URL)
            seen = status == 503 and headers["Retry-After"] == "5"
            return Observation(seen, str(status))

        until("the places to be taken", turned_away, within=60, every=0.05)
        for one in held:
            one.close()

        def free() -> Observation[None]:
            return Observation(ask(address, "HEAD", URL)[0] == 200, "still full")

        until("a place to be free", free, within=60, every=0.05)


def test_one_address_cannot_take_every_place(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PLACES_EACH", 2)
    with served(bundle) as address:
        held = [socket.create_connection(address) for _ in range(2)]

        def turned_away() -> Observation[None]:
            return Observation(ask(address, "HEAD", URL)[0] == 503, "a third place was given")

        until("the places of this address to be taken", turned_away, within=60, every=0.05)
        with socket.create_connection(address, source_address=("127.0.0.2", 0)) as other:
            other.sendall(f"HEAD {URL} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in other.recv(1000)
        for one in held:
            one.close()


def test_who_asks_nothing_is_cut_off(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that comes letter by letter would keep a place for ever."""
    monkeypatch.setattr(serving, "_REQUEST_SECONDS", 0.5)
    with served(bundle) as address, socket.create_connection(address, timeout=0.1) as drip:

        def one_letter() -> Observation[None]:
            try:
                drip.sendall(b"G")
                drip.recv(1000)
            except TimeoutError:
                return Observation(False, "it is still listened to")
            except OSError:
                return Observation(True, "cut off")
            return Observation(True, "closed")

        until("the cut", one_letter, within=20, every=0.1)


def test_who_takes_nothing_is_cut_off(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_BLOCK_SECONDS", 0.3)
    copies = Copies()
    with served(bundle, copies) as address, socket.create_connection(address) as still:
        still.sendall(f"GET {URL} HTTP/1.1\r\n\r\n".encode())
        until(
            "the slow client to be given up",
            lambda: Observation[None](bool(copies.all), "not yet"),
            within=60,
            every=0.05,
        )
    assert copies.all[0][1] is False


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=0-1,5-6", None),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    assert serving.wanted(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=50-40", "bytes=-0"])
def test_ranges_of_which_there_is_nothing(header: str, place: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="bytes="):
        serving.wanted(header, 100)


def test_a_range_of_the_file_and_of_another_one(place: tuple[str, int], bundle: Path) -> None:
    whole = bundle.read_bytes()
    status, content, headers = ask(place, "GET", URL, Range="bytes=100-199")
    assert (status, content) == (206, whole[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    status, content, _ = ask(place, "GET", URL, Range="bytes=100-199", If_Range='"other"')
    assert (status, content) == (200, whole)
    status, content, headers = ask(place, "GET", URL, Range=f"bytes={len(whole)}-")
    assert (status, content) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(whole)}"


def test_an_address_that_is_not_ours_and_a_port_that_is_taken(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "addresses", lambda: ["192.168.1.20"])
    with (
        pytest.raises(UsageError, match=r"192\.0\.2\.77 port 1234 cannot be opened"),
        serving.serving(bundle, "192.0.2.77", 1234, Copies().told),
    ):
        pass
    with (
        served(bundle) as (host, port),
        pytest.raises(EnvironmentProblem, match="is taken"),
        serving.serving(bundle, host, port, Copies().told),
    ):
        pass


# Fetching.


class Flaky(BaseHTTPRequestHandler):
    """Gives the bundle piece by piece: each connection breaks off after some bytes."""

    content = b""
    tag = '"one"'
    piece = SIZE // 3
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Range", ""))
        begin = 0
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found and self.headers.get("If-Range") == self.tag:
            begin = int(found[1])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.send_header("ETag", self.tag)
        if begin:
            end = len(self.content)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
        self.end_headers()
        self.wfile.write(self.content[begin : begin + self.piece])

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def flaky(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(fetching, "BETWEEN_SECONDS", 0.01)
    monkeypatch.setattr(fetching, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(Flaky, "content", bundle.read_bytes())
    monkeypatch.setattr(Flaky, "asked", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    server.server_close()


def test_a_copy_goes_on_through_broken_connections(
    flaky: tuple[str, int], bundle: Path, tmp_path: Path
) -> None:
    fetched(flaky, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == bundle.read_bytes()
    assert len(Flaky.asked) >= 3
    # The last block may be lost with the connection; all before it is kept.
    assert int(Flaky.asked[1].strip("bytes=-")) > SIZE // 3 - fetching._BLOCK


def test_a_copy_goes_on_in_another_run(
    place: tuple[str, int], bundle: Path, tmp_path: Path
) -> None:
    whole = bundle.read_bytes()
    (tmp_path / "copy.zip.part").write_bytes(whole[: SIZE // 2])
    (tmp_path / "copy.zip.part.seal").write_text(f'"{hashlib.sha256(whole).hexdigest()}"')
    found = fetched(place, tmp_path / "copy.zip")
    assert found.resumed == SIZE // 2
    assert (tmp_path / "copy.zip").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.zip", "room"]


@pytest.mark.parametrize("seal", ['"of another file"', ""])
def test_a_part_of_another_file_is_no_beginning(
    place: tuple[str, int], bundle: Path, tmp_path: Path, seal: str
) -> None:
    (tmp_path / "copy.zip.part").write_bytes(os.urandom(SIZE // 2))
    (tmp_path / "copy.zip.part.seal").write_text(seal)
    fetched(place, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == bundle.read_bytes()


def test_a_server_that_dies_leaves_what_has_come(
    bundle: Path, flaky: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Flaky, "content", bundle.read_bytes()[: SIZE // 4])

    def short(self: Flaky) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.send_header("ETag", self.tag)
        self.end_headers()
        self.wfile.write(self.content)
        cast(ThreadingHTTPServer, self.server).socket.close()  # nobody is answered any more

    monkeypatch.setattr(Flaky, "do_GET", short)
    with pytest.raises(EnvironmentProblem, match=r"broke off after [01]\.\d MB") as caught:
        fetched(flaky, tmp_path / "copy.zip")
    assert "goes on from there" in caught.value.hint
    kept = (tmp_path / "copy.zip.part").read_bytes()
    assert len(kept) > SIZE // 4 - fetching._BLOCK
    assert kept == bundle.read_bytes()[: len(kept)]
    assert not (tmp_path / "copy.zip").exists()


def test_what_is_whole_is_not_fetched_again(
    place: tuple[str, int], bundle: Path, tmp_path: Path
) -> None:
    fetched(place, tmp_path / "copy.zip")
    again = fetched(place, tmp_path / "copy.zip")
    assert again.resumed == again.size


def test_another_bundle_of_the_server_takes_the_place_of_a_whole_one(
    bundle: Path, place: tuple[str, int], tmp_path: Path
) -> None:
    target = tmp_path / "copy.zip"
    made(target, size=1000)
    fetched(place, target)
    assert target.read_bytes() == bundle.read_bytes()


def test_a_broken_copy_is_made_whole(bundle: Path, place: tuple[str, int], tmp_path: Path) -> None:
    """As of a stick that was pulled out too early; the command that mends it is this one."""
    target = tmp_path / "copy.zip"
    whole = bundle.read_bytes()
    spoilt = bytearray(whole)
    spoilt[SIZE // 2] ^= 1
    for text in (whole[: SIZE // 3], bytes(spoilt)):
        target.write_bytes(text)
        fetched(place, target)
        assert target.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy.zip"]


def test_what_is_no_bundle_stays(place: tuple[str, int], tmp_path: Path) -> None:
    target = tmp_path / "homework.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("essay.txt", "mine")
    (tmp_path / "notes").write_text("something else")
    for path in (target, tmp_path / "notes"):
        before = path.read_bytes()
        with pytest.raises(UsageError, match="it is no bundle"):
            fetched(place, path)
        assert path.read_bytes() == before


def test_a_tag_that_cannot_be_sent_back_is_none(
    flaky: tuple[str, int], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what stands in the file beside the part, whatever it is, is no error."""
    monkeypatch.setattr(Flaky, "tag", '"gr\xfc\xdfe"')
    monkeypatch.setattr(Flaky, "piece", 2 * SIZE)
    (tmp_path / "copy.zip.part.seal").write_bytes(b"\xff\xfe")
    fetched(flaky, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == bundle.read_bytes()


def test_a_damaged_copy_is_never_called_whole(
    flaky: tuple[str, int], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = bytearray(bundle.read_bytes())
    spoilt[SIZE // 2] ^= 1
    monkeypatch.setattr(Flaky, "content", bytes(spoilt))
    with pytest.raises(ImageProblem, match="damaged") as caught:
        fetched(flaky, tmp_path / "copy.zip")
    assert "begins anew" in caught.value.hint
    assert not (tmp_path / "copy.zip").exists()
    monkeypatch.setattr(Flaky, "content", bundle.read_bytes())
    assert fetched(flaky, tmp_path / "copy.zip").resumed == 0


@pytest.mark.parametrize(
    "url",
    [
        "b.zip",
        "ftp://127.0.0.1/b.zip",
        "file:///etc/passwd",
        "http://",
        "http://[x",
        "http://127.0.0.1:99999/b.zip",
        "http://127.0.0.1:port/b.zip",
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="no address to fetch from"):
        fetching.fetch(url, tmp_path / "copy.zip", SilentProgress())


def test_a_place_where_nobody_serves_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(fetching, "BETWEEN_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EnvironmentProblem, match="Nothing answers at") as caught:
        fetched(("127.0.0.1", port), tmp_path / "b.zip")
    assert "serve-bundle" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_who_is_refused_takes_nothing_from_who_fetches(tmp_path: Path) -> None:
    target = tmp_path / "b.zip"
    with (tmp_path / "b.zip.part.seal").open("a+") as seal:
        assert flock.take(seal)
        (tmp_path / "b.zip.part").touch()
        with pytest.raises(UsageError, match="Another swarmlab is fetching"):
            fetched(("127.0.0.1", 9), target)
    assert {path.name for path in tmp_path.iterdir()} == {"b.zip.part", "b.zip.part.seal"}


def test_a_folder_is_no_target(place: tuple[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder") as caught:
        fetched(place, tmp_path)
    assert "swarmlab-bundle.zip" in caught.value.hint


def test_a_wrong_address_is_told_at_once(place: tuple[str, int], tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="answers 404"):
        fetching.fetch(f"http://127.0.0.1:{place[1]}/x", tmp_path / "c.zip", SilentProgress())


def test_the_rooms_own_network_needs_no_proxy(
    place: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetched(place, tmp_path / "copy.zip")
    assert fetching._near("http://192.168.1.20:8642/x")
    assert not fetching._near("http://example.org/x")
