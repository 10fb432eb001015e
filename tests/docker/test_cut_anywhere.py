"""Ctrl-C and `kill -9` at random moments of `up` and `run`: what is recorded holds, and it goes on.

The seed stands in pytest's last lines; SWARMLAB_SEED=N makes the same cuts again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from swarmlab.cluster import lifecycle
from swarmlab.session import Session
from swarmlab.wait import Observation, poll, until
from tests.docker.lifecycle_site import host, left
from tests.docker.moves import Lab
from tests.seed import SEED

BEGIN = "from swarmlab.__main__ import main; print('begun', flush=True); main()"


@pytest.fixture
def real() -> Iterator[Lab]:
    name = f"moment-{os.getpid()}"
    try:
        yield Lab(name)
    finally:
        lifecycle.down(name)


def cut(lab: Lab, words: list[str], how: signal.Signals, seconds: float) -> tuple[int, str]:
    """Run a command and send it a signal after so many seconds; its exit code and complaints.

    They are counted from when swarmlab begins: before that Ctrl-C is for Python, which on a busy
    machine takes longer to start than the shortest cut. One that ends by itself before the signal
    is left to end.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *words, "--name", lab.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        poll(lambda: Observation(process.poll() is not None, "it runs"), within=seconds, every=0.02)
        process.send_signal(how)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def ended_well(code: int, said: str, how: signal.Signals) -> None:
    """It was cut short in the way that belongs to the signal, or was over before."""
    if how is signal.SIGINT:
        assert code in (0, 130), said
        assert "Traceback" not in said, said
        assert code == 0 or "Interrupted" in said
    else:
        assert code in (0, -signal.SIGKILL), said


def idle(lab: Lab) -> None:
    """Nothing that a session typed goes on in the workstation."""
    where = {"label": [f"swarmlab.lab={lab.name}", "swarmlab.role=workstation"]}

    def look() -> Observation[None]:
        running = [
            row[1]
            for one in host().containers(filters=where)
            for row in host().top(one["Id"], "-eo pid,args")["Processes"]
            if "/dev/stdin" in row[1]
        ]
        return Observation(not running, str(running))

    until("the workstation to be idle", look, within=120)


def recorded_holds(lab: Lab) -> None:
    """All that is on record as done is so. A lab that an `up` left unfinished has no record."""
    done = lab.done()
    assert done == list(range(1, len(done) + 1))
    if done:
        seen = lab.swarmlab("verify")
        assert seen.returncode == 0, seen.stdout + seen.stderr


def cuts(lab: Lab, *, count: int, last: int, longest: float) -> None:
    """Cut `up` and `run` short `count` times, each going on where the one before ended; then run
    to the end."""
    chance = random.Random(SEED)
    told = []
    try:
        for _ in range(count):
            how = chance.choice([signal.SIGINT, signal.SIGKILL])
            words = ["run", "--to", str(last)]
            seconds = chance.uniform(0.2, longest)
            if chance.random() < 0.3:
                words, seconds = ["up"], chance.uniform(0.1, 4.0)
                first = chance.random() < 0.7
                if first:
                    lifecycle.down(lab.name)
            else:
                first = not left(lab.name)
            told.append(f"{' '.join(words)}, {how.name} after {seconds:.1f} s")
            begun = time.monotonic()
            code, said = cut(lab, words, how, seconds)
            told[-1] += f": {code} after {time.monotonic() - begun:.1f} s"
            ended_well(code, said, how)
            if words == ["up"] and first and code == 130:
                assert left(lab.name) == [], "a first `up` that is interrupted leaves nothing"
            if code == 130:
                idle(lab)
            recorded_holds(lab)
        run = lab.swarmlab("run", "--to", str(last))
        assert run.returncode == 0, run.stdout + run.stderr
        assert lab.done() == list(range(1, last + 1))
        recorded_holds(lab)
    except BaseException as error:
        error.add_note(f"SWARMLAB_SEED={SEED}: " + "; ".join(told))
        raise


@pytest.mark.docker
def test_three_cuts_lose_nothing(real: Lab) -> None:
    cuts(real, count=3, last=3, longest=8.0)


@pytest.mark.long
def test_twenty_cuts_lose_nothing(real: Lab) -> None:
    cuts(real, count=20, last=13, longest=25.0)


# Ends the script with `kill -9` as soon as it has told the swarm how many tasks there shall be.
RESTART_CUT = """
eval $(docker-machine env swarm-1)
wanted() { docker service inspect -f '{{.Spec.Mode.Replicated.Replicas}}' proxy; }
./restart.sh proxy 6 &
for try in $(seq 1200); do
    [ "$(wanted)" != %d ] || break
    sleep 0.1
done
[ "$(wanted)" = %d ]
kill -9 $!
docker info --format 'keeps {{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}'
"""


@pytest.mark.long
def test_a_swarm_that_was_to_keep_no_history_keeps_it_again(real: Lab) -> None:
    """`restart.sh` cut short twice between its two changes; step 13 needs what a swarm keeps."""
    run = real.swarmlab("run", "--to", "12")
    assert run.returncode == 0, run.stdout + run.stderr
    for tasks in (0, 6):
        with lifecycle.up(real.name) as cluster, Session(cluster.workstation) as shell:
            cut_off = shell.run(RESTART_CUT % (tasks, tasks))
        # The second one begins where the first has left no history to keep.
        assert "keeps 0\n" in cut_off.output, cut_off.output
    healed = real.swarmlab("step", "13")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    with lifecycle.up(real.name) as cluster:
        spec = cluster.engine("swarm-1").api.inspect_swarm()["Spec"]
    assert spec["Orchestration"]["TaskHistoryRetentionLimit"] == 5
