"""`python3 -m mesh`: keep the mesh in step. See the package's own text for the way in."""

import argparse
import sys
import time

from mesh import loop, probe


def main() -> int:
    """Run what the command line asks for; the exit code."""
    asked = arguments()
    if asked.show:
        loop.once(show=True, say=print)
        return 0
    if asked.clean:
        loop.clean(say)
        return 0
    if probe.ipvs_available() and not asked.force:
        probe.record("ipvs")
        say("this kernel has IPVS: the engine balances by itself, nothing to do")
        return 0
    probe.record("nftables")
    if asked.once:
        loop.once(show=False, say=say)
    else:
        say("this kernel has no IPVS: keeping VIPs and published ports with nftables")
        loop.keep(say)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m mesh",
        description="Keep a swarm's VIPs and published ports working without IPVS.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print the plans, change nothing")
    what.add_argument("--once", action="store_true", help="apply the plans one time, then end")
    what.add_argument("--clean", action="store_true", help="remove all our rules, then end")
    parser.add_argument("--force", action="store_true", help="work even where there is IPVS")
    return parser.parse_args()


def say(text: str) -> None:
    """One line for the log, with the time in UTC."""
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except loop.TROUBLES as problem:
        sys.exit(f"mesh: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)
