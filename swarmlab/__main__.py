"""`swarmlab` and `python -m swarmlab`."""

from __future__ import annotations

from swarmlab.cli.app import app


def main() -> None:
    """Run the command line and end the process with its exit code (see `swarmlab.errors`)."""
    app(prog_name="swarmlab")


if __name__ == "__main__":
    main()
