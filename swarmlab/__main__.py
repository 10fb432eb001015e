"""`swarmlab` and `python -m swarmlab`."""

from __future__ import annotations

import sys

from swarmlab.errors import EXIT_INTERRUPTED


def main() -> None:
    """Run the command line and end the process with its exit code (see `swarmlab.errors`)."""
    try:
        # Here, because Ctrl-C may come while all of it is still being loaded.
        from swarmlab.cli.app import app

        app(prog_name="swarmlab")
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        raise SystemExit(EXIT_INTERRUPTED) from None


if __name__ == "__main__":
    main()
