"""The table of a class: who earned what, and which files do not count, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from swarmlab.digest import digest
from swarmlab.grading.folder import Found
from swarmlab.grading.paper import Paper, shown
from swarmlab.grading.reading import Refused, read
from swarmlab.model import Lab
from swarmlab.words import say

GRADES_VERSION = 1
KIND = "swarmlab-grades"


@dataclass(frozen=True)
class Refusal:
    """A file that does not count, and the reason."""

    file: str
    reason: str


@dataclass(frozen=True)
class Sheet:
    """One row a student, by name; `signed` says whether a key vouches for the rows."""

    lab: Lab
    papers: tuple[Paper, ...]
    refused: tuple[Refusal, ...]
    signed: bool

    @property
    def mean(self) -> float:
        """Points that a student has on average; of none 0."""
        earned = [paper.points.earned for paper in self.papers]
        return sum(earned) / len(earned) if earned else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": GRADES_VERSION,
            "kind": KIND,
            "lab": self.lab.id,
            "lab_version": self.lab.version,
            "lab_digest": digest(self.lab),
            "worth": self.lab.worth,
            "signed": self.signed,
            "students": [paper.to_dict() for paper in self.papers],
            "refused": [{"file": one.file, "reason": one.reason} for one in self.refused],
        }


def collect(found: Iterable[Found], lab: Lab, key: bytes | None) -> Sheet:
    """Read and judge all files."""
    papers: list[Paper] = []
    refused: list[Refusal] = []
    for one in found:
        try:
            if one.other:
                raise Refused(say("its name does not end in .json: give it that if it is a result"))
            papers.append(read(one.path, lab, key, called=one.called))
        except Refused as error:
            refused.append(Refusal(shown(one.path), str(error)))
    papers, shared = _own_cluster(papers)
    papers, doubtful = ([*papers], []) if key is not None else _one_cluster(papers)
    papers, older = _newest(papers)
    refused = sorted([*refused, *shared, *doubtful, *older], key=lambda one: one.file)
    papers.sort(key=lambda paper: (paper.who, paper.file))
    return Sheet(lab, tuple(papers), tuple(refused), key is not None)


def live(paper: Paper, lab: Lab, name: str) -> Sheet:
    """The table of one lab that was looked at just now, of that name if nobody's is known."""
    return Sheet(lab, (replace(paper, student=paper.student or name),), (), False)


def _own_cluster(papers: Sequence[Paper]) -> tuple[list[Paper], list[Refusal]]:
    """Every cluster is made once: two students with the same one have one lab between them."""
    by_cluster: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in papers:
        by_cluster[paper.cluster].append(paper)
    kept, refused = [], []
    for paper in papers:
        others = [one for one in by_cluster[paper.cluster] if one.who != paper.who]
        if others:
            names = ", ".join(sorted({one.file for one in others})[:3])
            refused.append(
                Refusal(
                    paper.file, say("the same cluster as another student's: {names}", names=names)
                )
            )
        else:
            kept.append(paper)
    return kept, refused


def _one_cluster(papers: Sequence[Paper]) -> tuple[list[Paper], list[Refusal]]:
    """Without a key anybody can write any name into a file, and a later time.

    So what is said to be one student's counts only when all of it is of one cluster: otherwise
    one file could take the place of another student's.
    """
    of: defaultdict[str, list[Paper]] = defaultdict(list)
    for paper in papers:
        of[paper.who].append(paper)
    kept, refused = [], []
    for paper in papers:
        others = [one.file for one in of[paper.who] if one.cluster != paper.cluster]
        if others:
            names = ", ".join(sorted(others)[:3])
            reason = say(
                "said to be the same student's, of another cluster: {names}; "
                "without a key nobody can tell whose each is: keep one of them",
                names=names,
            )
            refused.append(Refusal(paper.file, reason))
        else:
            kept.append(paper)
    return kept, refused


def _newest(papers: Sequence[Paper]) -> tuple[list[Paper], list[Refusal]]:
    """Of a student's files the newest counts."""
    best: dict[str, Paper] = {}
    for paper in papers:
        held = best.get(paper.who)
        if held is None or _moment(paper) > _moment(held):
            best[paper.who] = paper
    refused = [
        Refusal(
            paper.file, say("not the student's newest, which is {file}", file=best[paper.who].file)
        )
        for paper in papers
        if best[paper.who] is not paper
    ]
    return list(best.values()), refused


def _moment(paper: Paper) -> datetime:
    return datetime.fromisoformat(paper.started)
