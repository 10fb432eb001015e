"""What the virtual machine's results must be, and the record of them that is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NODES = 3
STEPS = 13


def times(results: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Exit code and seconds of each thing that was run; seconds of the machine's own clock."""
    found: dict[str, dict[str, float]] = {}
    for line in results.get("times", "").splitlines():
        name, code, begun, ended = line.split()
        found[name] = {"exit_code": int(code), "seconds": round(float(ended) - float(begun), 1)}
    return found


def facts(results: Mapping[str, str]) -> dict[str, str]:
    """What the machine is, in its own words."""
    return dict(line.split(" ", 1) for line in results.get("facts", "").splitlines() if " " in line)


def problems(results: Mapping[str, str]) -> list[str]:
    """Everything that is not as it must be, in words; empty when the proof holds."""
    found: list[str] = []

    def must(holds: object, words: str) -> None:
        if not holds:
            found.append(words)

    machine = facts(results)
    must("cloud" in machine.get("kernel", ""), f"the kernel is {machine.get('kernel')}")
    must(machine.get("cgroup") == "cgroup2fs", f"the cgroups are {machine.get('cgroup')}")
    ended = times(results)
    for name in (
        "install", "version", "doctor.json", "up", "status.json", "chapter", "verify.json",
        "mesh", "ipvs", "clean-up", "down", "left",
    ):  # fmt: skip
        code = ended.get(name, {}).get("exit_code")
        must(code == 0, f"{name} ended with {code}")
    status, verify = _data(results, "status.json"), _data(results, "verify.json")
    must(status.get("healthy") is True, f"the lab was not healthy: {status.get('problems')}")
    planes = [node.get("data_plane") for node in status.get("nodes", ())]
    must(planes == ["ipvs"] * NODES, f"the nodes' data planes are {planes}")
    must(verify.get("verdict") == "passed", f"verify says {verify.get('verdict')}")
    must(
        verify.get("data_plane") == "ipvs", f"verify saw the data plane {verify.get('data_plane')}"
    )
    done = results.get("chapter.txt", "")
    must(f"{STEPS} of {STEPS} steps" in done, "the chapter's summary does not name all its steps")
    mesh = results.get("mesh", "").splitlines()
    must(mesh.count("plane ipvs") == NODES, f"the nodes say: {mesh}")
    must("mesh runs" not in mesh, "the mesh fallback runs beside IPVS")
    must(mesh.count("tables 0") == NODES, "the mesh fallback left tables of its own")
    virtual = [int(line.split()[1]) for line in results.get("ipvs", "").splitlines()]
    must(virtual and all(virtual), f"virtual services in the balancers' namespaces: {virtual}")
    must("left" in results and not results["left"].strip(), f"left behind: {results.get('left')}")
    return found


def record(
    results: Mapping[str, str], *, date: str, emulator: str, memory: int, source: Mapping[str, Any]
) -> dict[str, Any]:
    """What is worth keeping of a run: versions, times, and what `verify` saw.

    `source` is what the wheel was made from, as far as it is known.
    """
    least = int(results.get("least-available", "0").strip() or 0)
    return {
        "kind": "swarmlab-evidence",
        "version": 1,
        "date": date,
        "emulator": emulator,
        "machine": {**facts(results), "memory_mib": memory, "least_available_mib": least // 1024},
        "swarmlab": results.get("version.txt", "").strip(),
        **source,
        "times": times(results),
        "problems": problems(results),
        "doctor": _data(results, "doctor.json"),
        "status": _data(results, "status.json"),
        "verify": _data(results, "verify.json"),
    }


def _data(results: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        told = json.loads(results.get(name, ""))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
