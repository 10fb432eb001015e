"""Wide tables on paper: moved together, folded, and nothing of a row lost."""

from __future__ import annotations

import re

from swarmlab.handout.tables import FOLD, INDENT, narrow
from swarmlab.varying import Piece, pieces

PS = """\
ID             NAME       IMAGE                     NODE      DESIRED STATE   CURRENT STATE        \
             ERROR                         PORTS
vuky6ty44aqg   proxy.6    swarmlab/flow-proxy:1.0   swarm-3   Running         Running 3 seconds ago
laoae0b1hnlg    \\_ p.6    swarmlab/flow-proxy:1.0   swarm-3   Shutdown        Failed 6 seconds ago
"""


def printed(output: str) -> list[str]:
    lines: list[list[Piece]] = [[]]
    for part in pieces(output):
        first, *rest = part.text.split("\n")
        lines[-1].append(Piece(first, part.kind))
        lines += [[Piece(text, part.kind)] for text in rest]
    return ["".join(piece.text for piece in line).rstrip() for line in narrow(lines)]


def words(text: str) -> list[str]:
    return re.findall(r"\S+", text)


def test_columns_are_moved_together_and_empty_ones_are_left_out() -> None:
    header, first, second, _ = printed(PS)
    assert words(header) == [
        "ID", "NAME", "IMAGE", "NODE", "DESIRED", "STATE", "CURRENT", "STATE", "…"
    ]  # fmt: skip
    assert words(first) + words(second) == words(PS.split("\n", 1)[1])
    assert len(header) < len(first) < 96
    for column in ("IMAGE", "NODE", "DESIRED", "CURRENT"):
        at = header.index(column)
        assert first[at - 1] == second[at - 1] == " " and first[at] != " " and second[at] != " "


def test_a_table_that_is_still_too_wide_has_two_lines_a_row() -> None:
    head, row, last, _ = PS.split("\n")
    failed = f'{head}\n{row}\n{last:<{head.index("ERROR")}}"task: non-zero exit (137)"\n'
    made = printed(failed)
    assert made[0].endswith("CURRENT STATE") and made[1] == INDENT + "ERROR …"
    assert made[3].startswith("laoae0b1hnlg") and made[4].strip() == '"task: non-zero exit (137)"'
    assert max(map(len, made)) <= FOLD
    assert words(" ".join(made[2:])) == words(failed.split("\n", 1)[1])


def test_what_varies_stays_marked() -> None:
    lines: list[list[Piece]] = [[]]
    for part in pieces(PS):
        for number, text in enumerate(part.text.split("\n")):
            lines += [[]] if number else []
            lines[-1].append(Piece(text, part.kind))
    kinds = {piece.text: piece.kind for line in narrow(lines) for piece in line}
    assert kinds["vuky6ty44aqg"] and kinds[" …"] == "left-out"


def test_narrow_tables_and_other_outputs_stay_as_they_are() -> None:
    for output in (
        "ID             NAME      MODE\nuft0t2lg60of   sleeper   replicated\n",
        "HTTP/1.1 200 OK\n\nhello   world   " + "x" * 100,
        "NAME      WHAT\n",
        "{" + '"a": 1, ' * 30 + "}",
    ):
        assert "\n".join(printed(output)) == "\n".join(x.rstrip() for x in output.split("\n"))
