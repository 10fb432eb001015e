"""Measure swarmlab against the plain way and write docs/benchmarks.md.

    make bench                           everything, five rounds: about thirty minutes
    make bench ROUNDS=1                  a quick look
    python -m bench.bench --only verify  `verify` on healthy and broken labs, that part of the page
    python -m bench.bench --only watch   `status --watch`, that part of the page

Each pair is measured side by side, one after the other in each round, because machines drift.
Only the lab `bench` and the containers of bench/plain.sh are touched.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.tools import LAB, PLAIN, ROOT, SWARMLAB, down, median, run, say, seconds, spread
from bench.watch import watching
from swarmlab import engine
from swarmlab.images import builder


def warm_up(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of `up` with everything built and loaded, and of the shell script."""
    node, workstation = builder.reference("loaded-node"), builder.reference("workstation")
    ours, plain = [], []
    for number in range(rounds):
        say(f"warm up against the shell script, round {number + 1} of {rounds}")
        down()
        plain.append(seconds(lambda: run(PLAIN, "up", node, workstation)))
        run(PLAIN, "down")
        ours.append(seconds(lambda: run(*SWARMLAB, "up", *LAB)))
    return ours, plain


def unloaded_up(rounds: int) -> list[float]:
    """Seconds of `up` with all images built and the nodes' store not made yet."""
    found = []
    for number in range(rounds):
        say(f"up with images built but never loaded, round {number + 1} of {rounds}")
        down()
        with closing(engine.connect().client) as client:
            for tag in (builder.reference("loaded-node"), "swarmlab/loaded-node:latest"):
                client.images.remove(tag, force=True)
        # The disk is to be done with the removal, which is no part of what is measured.
        os.sync()
        found.append(seconds(lambda: run(*SWARMLAB, "up", *LAB)))
    return found


def chapter(rounds: int) -> list[dict[str, Any]]:
    """The results of `run`, the whole chapter, each on a fresh warm lab."""
    found = []
    for number in range(rounds):
        say(f"the whole chapter, round {number + 1} of {rounds}")
        down()
        run(*SWARMLAB, "up", *LAB)
        found.append(json.loads(run(*SWARMLAB, "run", "--json", *LAB)))
    return found


def memory() -> dict[str, float]:
    """MiB by container: the proportional set size of all processes in it, inner ones included."""
    found = {}
    with closing(engine.connect().client) as client:
        for container in client.containers.list(filters={"label": "swarmlab.lab=bench"}):
            top = container.top(ps_args="-eo pid")
            total = 0
            for (pid,) in top["Processes"]:
                total += proportional(int(pid))
            found[str(container.name)] = total / 1024
    return found


def proportional(pid: int) -> int:
    """KiB of a process, shared pages counted by share; 0 when it has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def help_ratio(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of `swarmlab --help`, and of importing Typer and Rich."""
    program = str(Path(sys.executable).with_name("swarmlab"))
    ours, imports = [], []
    for _ in range(rounds * 4):
        imports.append(seconds(lambda: run(sys.executable, "-c", "import typer, rich")))
        ours.append(seconds(lambda: run(program, "--help")))
    return ours, imports


def verify(rounds: int, codes: tuple[int, ...] = (0,)) -> list[float]:
    """Seconds of `verify` with thirteen steps done, the whole process."""
    return [seconds(lambda: run(*SWARMLAB, "verify", *LAB, codes=codes)) for _ in range(rounds)]


VERIFY = "## Looking at all steps"

SCALE = ("ssh", *LAB, "swarm-1", "docker", "service", "scale", "-d")
# What is broken, by which command, and the one that mends it (the last needs none).
BROKEN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "go-demo was scaled to none": ((*SCALE, "go-demo=0"), (*SCALE, "go-demo=1")),
    "swarm-3 is frozen and answers nothing": (
        ("fault", "pause", "swarm-3", *LAB),
        ("fault", "heal", "swarm-3", *LAB),
    ),
    "swarm-3 is switched off": (("fault", "stop", "swarm-3", *LAB), ()),
}


def looking(rounds: int) -> list[str]:
    """The section about `verify`, on the lab with thirteen steps done, healthy and broken."""
    say("verify on a healthy lab with thirteen steps done")
    rows = [("nothing: all as it should be", verify(rounds), "below 3")]
    for what, (harm, mend) in BROKEN.items():
        say(f"verify on a broken lab: {what}")
        run(*SWARMLAB, *harm)
        # It must say so: exit code 1 or 3, and never 0.
        rows.append((what, verify(rounds, codes=(1, 3)), ""))
        if mend:
            run(*SWARMLAB, *mend)
    return [
        VERIFY,
        "",
        "Seconds of `swarmlab verify` with thirteen steps done, the whole process; median of "
        f"{rounds} rounds, in brackets the least and the most. Checks of all steps are looked at "
        "side by side, each once, and one that cannot look gives up after its own limit.",
        "",
        "| what is broken | measured | bound |",
        "|---|---|---|",
        *(f"| {what} | {spread(values)} | {bound} |" for what, values, bound in rows),
        "",
    ]


def machine() -> str:
    with closing(engine.connect().client) as client:
        version = client.version()["Version"]
    return (
        f"{os.cpu_count()} cores, kernel {platform.release()}, Docker engine {version}, "
        f"Python {platform.python_version()}"
    )


def report(rounds: int, first: str) -> str:
    ours, plain = warm_up(rounds)
    say("memory of a fresh lab")
    fresh = memory()
    unloaded = unloaded_up(rounds)
    runs = chapter(rounds)
    say("a lab with thirteen steps done, its memory")
    down()
    run(*SWARMLAB, "run", "--to", "13", "--json", *LAB)
    full = memory()
    looked = looking(rounds)
    followed = watching()
    down()
    help_ours, help_imports = help_ratio(rounds)
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    lines = [
        "# Benchmarks",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make bench` on {machine()}: a small shared "
        "machine, so read ratios rather than seconds. Median of "
        f"{rounds} rounds, in brackets the least and the most; seconds unless said otherwise.",
        "",
        "| what | measured | bound |",
        "|---|---|---|",
        f"| warm `swarmlab up` | {spread(ours)} | |",
        f"| the same by `bench/plain.sh` | {spread(plain)} | |",
        f"| ratio, round by round | {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) "
        "| at most 1.25 |",
        f"| `up` with images built, never loaded | {spread(unloaded)} | |",
        f"| that above the warm one | {median(unloaded) - median(ours):.1f} | at most 20 |",
        f"| `swarmlab --help` | {median(help_ours):.3f} | |",
        f'| `python -c "import typer, rich"` | {median(help_imports):.3f} | |',
        f"| ratio of the two medians | {median(help_ours) / median(help_imports):.2f} "
        "| at most 1.5 |",
        f"| memory of a fresh lab (MiB) | {sum(fresh.values()):.0f} | |",
        f"| memory with thirteen steps done (MiB) | {sum(full.values()):.0f} | |",
        f"| first `make lab` on a bare machine | {first} | |",
        "",
        "Memory is the proportional set size of all processes in the lab's containers, those of "
        "the inner containers included.",
        "",
        "`bench/plain.sh` starts the same images with the docker client in parallel, waits, and "
        "makes and labels the swarm. It makes no certificates, chooses no addresses, copies no "
        "lab files, and proves nothing.",
        "",
        *looked,
        *followed,
        "## The whole chapter",
        "",
        *chapter_lines(runs),
    ]
    return "\n".join(lines) + "\n"


def chapter_lines(runs: list[dict[str, Any]]) -> list[str]:
    """What the time of `run` is made of, and each step."""
    total = [run["seconds"] for run in runs]
    parts = {
        "commands": "the students' commands: engine, swarm scheduling, Consul",
        "waiting": "waiting for the cluster to become as it should be",
        "lab": "finding the lab",
        "checks": "swarmlab: looking at the checks",
        "own": "swarmlab: all else",
    }
    lines = ["| part | seconds | share |", "|---|---|---|", f"| all | {spread(total)} | 100 % |"]
    for key, words in parts.items():
        values = [run["timing"][key] for run in runs]
        shares = [100 * run["timing"][key] / run["seconds"] for run in runs]
        lines.append(f"| {words} | {spread(values)} | {median(shares):.1f} % |")
    lines += ["", "| step | all | commands | checks, longest wait |", "|---|---|---|---|"]
    for steps in zip(*(one["steps"] for one in runs), strict=True):
        waits = [max((c["waited"] for c in all_checks(step)), default=0.0) for step in steps]
        commands = [sum(c["seconds"] for c in step["commands"]) for step in steps]
        lines.append(
            f"| {steps[0]['number']} {steps[0]['title']} "
            f"| {spread([step['seconds'] for step in steps])} "
            f"| {median(commands):.1f} | {median(waits):.1f} |"
        )
    return lines


def all_checks(step: dict[str, Any]) -> list[dict[str, Any]]:
    checks: list[dict[str, Any]] = step["checks"]
    return checks


def placed(page: str, section: list[str]) -> str:
    """The page with that section in the place of the old one, or before the whole chapter."""
    head, *parts = page.split("\n## ")
    parts = [f"## {part.rstrip()}\n" for part in parts]
    new = "\n".join(section).rstrip() + "\n"
    titles = [part.partition("\n")[0] for part in parts]
    if section[0] in titles:
        parts[titles.index(section[0])] = new
    else:
        parts.insert(titles.index("## The whole chapter"), new)
    return "\n".join([head.rstrip() + "\n", *parts])


def alone(part: str, rounds: int) -> list[str]:
    """One section of the page, measured on a lab of its own."""
    if part == "watch":
        return watching()
    run(*SWARMLAB, "run", "--to", "13", "--json", *LAB)
    return looking(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", choices=["verify", "watch"], help="measure and write that part alone"
    )
    parser.add_argument("--first", default="not measured", help="time of a first `make lab`")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    args = parser.parse_args()
    try:
        if args.only:
            text = placed(args.out.read_text(encoding="utf-8"), alone(args.only, args.rounds))
        else:
            text = report(args.rounds, args.first)
    finally:
        down()
    args.out.write_text(text, encoding="utf-8")
    say(f"written to {args.out}")


if __name__ == "__main__":
    main()
