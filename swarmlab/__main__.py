"""`swarmlab` and `python -m swarmlab`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and end the process with its exit code (see `swarmlab.errors`)."""
    try:
        # Here, because Ctrl-C may come while all of it is still being loaded.
        from swarmlab.cli.app import app

        app(prog_name="swarmlab")
    except KeyboardInterrupt:
        from swarmlab.errors import EXIT_INTERRUPTED

        sys.stderr.write("\nInterrupted.\n")
        raise SystemExit(EXIT_INTERRUPTED) from None
    finally:
        # All is done and said. Ctrl-C has nothing left to interrupt but Python's own end, which
        # would show it with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
