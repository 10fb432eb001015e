"""The transcript of a shell: the mark is found, the text is clean, secrets and floods stay out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlab.transcript import HEAD, TAIL, Transcript, clean

MARK = b"0123456789abcdef0123456789abcdef"
END = b"\x1e" + MARK + b" 0\x1e"
TOKEN = "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBYr\nQ2hhbmdl\n-----END EC PRIVATE KEY-----\n"


def fed(*chunks: bytes) -> tuple[str, int | None, list[str]]:
    said: list[str] = []
    transcript = Transcript(MARK, said.append)
    for chunk in chunks:
        transcript.feed(chunk)
    return transcript.finish(), transcript.exit_code, said


def test_output_ends_at_the_mark() -> None:
    assert fed(b"one\ntwo\n" + END + b"rest")[:2] == ("one\ntwo\n", 0)


def test_without_a_final_newline_the_mark_is_found_all_the_same() -> None:
    assert fed(b"no end\x1e" + MARK + b" 127\x1e")[:2] == ("no end", 127)


def test_there_is_no_exit_code_before_the_mark() -> None:
    assert fed(b"one\n")[:2] == ("one\n", None)


@given(st.text(alphabet="ab \n\x1e", max_size=60), st.integers(0, 255), st.integers(1, 7))
def test_wherever_the_chunks_are_cut(text: str, code: int, size: int) -> None:
    data = text.encode() + b"\x1e" + MARK + b" %d\x1e" % code
    output, found, said = fed(*[data[n : n + size] for n in range(0, len(data), size)])
    assert (output, found) == (text.replace("\x1e", ""), code)
    assert "".join(said) == output


@pytest.mark.parametrize(
    "almost",
    [
        b"\x1e" + MARK + b" x\x1e",
        MARK + b" 0",
        b"\x1e" + MARK[:-1] + b" 0\x1e",
        b"printf '\\036%s %s\\036' " + MARK,
    ],
)
def test_what_only_looks_like_the_mark_is_output(almost: bytes) -> None:
    assert fed(almost + b"\n" + END)[1] == 0
    assert fed(almost + b"\n")[1] is None


def test_what_set_v_shows_of_our_own_typing_is_left_out() -> None:
    assert fed(b"echo a\na\n{ printf '%s' " + MARK + b"; }\n" + END)[0] == "echo a\na\n"


def test_lines_come_as_they_are_complete() -> None:
    said: list[str] = []
    transcript = Transcript(MARK, said.append)
    transcript.feed(b"one\ntw")
    assert said == ["one\n"]
    transcript.feed(b"o\n")
    assert said == ["one\n", "two\n"]


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("10%\r50%\r100%", "100%"),
        ("dos\r", "dos"),
        ("same\r\r", "same"),
        ("pulling...\r   \r", "pulling..."),
        ("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain", "red and plain"),
        ("a\x1b(Bb\x1b=c", "abc"),
        ("bell\x07 null\x00 delete\x7f", "bell null delete"),
        ("tab\tstays", "tab\tstays"),
        ("/dev/stdin: line 7: foo: command not found", "bash: foo: command not found"),
        ("/dev/stdin: eval: line 9: syntax error", "bash: syntax error"),
        ("say /dev/stdin: line 7: x", "say /dev/stdin: line 7: x"),
    ],
)
def test_a_line_as_a_dumb_terminal_shows_it(raw: str, seen: str) -> None:
    assert clean(raw) == seen


def test_bytes_that_are_no_text_do_no_harm() -> None:
    output, code, _ = fed(bytes(range(256)) * 50 + b"\n" + END)
    assert code == 0
    assert output.isprintable() or set(output) & {"\n", "\t", "\ufffd"}
    assert not any(ord(c) < 32 and c not in "\n\t" for c in output)


def test_secrets_go_from_output_and_stream() -> None:
    output, _, said = fed(f"docker swarm join --token {TOKEN} x\n".encode() + END)
    assert TOKEN not in output + "".join(said)
    assert "docker swarm join" in output


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_a_private_key_goes_whole(size: int) -> None:
    data = f"before\n{KEY}after\n".encode() + END
    output, _, said = fed(*[data[n : n + size] for n in range(0, len(data), size)])
    for text in (output, "".join(said)):
        assert "MHcCAQEEIBYr" not in text
        assert "Q2hhbmdl" not in text
        assert text.startswith("before\n")
        assert text.endswith("after\n")


def test_a_private_key_without_an_end_goes_too() -> None:
    output, _, said = fed(KEY.split("-----END")[0].encode() + END)
    assert "MHcCAQEEIBYr" not in output + "".join(said)


def test_a_key_across_what_is_dropped_goes_too() -> None:
    body = "A" * 60 + "\n"
    lines = (HEAD // len(body) + 10) * "x" * 10 + "\n" + "y\n" * HEAD
    key = "-----BEGIN PRIVATE KEY-----\n" + body * (2 * TAIL // len(body))
    data = (lines + key + "-----END PRIVATE KEY-----\nlast\n").encode()
    output = fed(data, END)[0]
    assert "AAAA" not in output
    assert output.endswith("[private key removed]\nlast\n")


def test_a_flood_keeps_its_beginning_and_its_end() -> None:
    lines = [f"line {n}\n" for n in range(50_000)]
    data = "".join(lines).encode()
    chunks = [data[n : n + 5000] for n in range(0, len(data), 5000)]
    output, code, said = fed(*chunks, END)
    assert code == 0
    assert output.startswith("line 0\nline 1\n")
    assert output.endswith("line 49999\n")
    assert "bytes are not shown ...]\n" in output
    assert len(output) <= HEAD + TAIL + 200
    assert "".join(said) == output
    assert all(line in lines or "not shown" in line for line in output.splitlines(True))


def test_a_line_without_end_is_bounded() -> None:
    output, code, _ = fed(*[b"z" * 10_000] * 100, b"\nlast\n" + END)
    assert code == 0
    assert output.endswith("last\n")
    assert len(output) <= HEAD + TAIL + 200
