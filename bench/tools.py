"""What all measurements share: commands, seconds, and how numbers are written."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SWARMLAB = [sys.executable, "-m", "swarmlab"]
LAB = ["--name", "bench"]
PLAIN = str(ROOT / "bench" / "plain.sh")


def say(text: str) -> None:
    print(f"· {text}", flush=True)


def run(*argv: str, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end; its standard output. Any other code ends the bench with words."""
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def median(values: list[float]) -> float:
    return statistics.median(values)


def spread(values: list[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def down() -> None:
    run(*SWARMLAB, "down", *LAB)
    run(PLAIN, "down")
