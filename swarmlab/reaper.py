"""The bash text that ends what a session left running in the workstation.

Every process that a session starts inherits `SWARMLAB_SESSION`, whatever it does to its parents
or its terminal; by that variable they are found again in `/proc`. Children that cleaned their
environment are found through their parents.
"""

from __future__ import annotations

VARIABLE = "SWARMLAB_SESSION"

# The same for a terminal that a student has open: another name, so that a session which ends
# what others left behind leaves it alone.
TERMINAL = "SWARMLAB_TERMINAL"

_FAMILY = r"""
family() {
  local child
  echo "$1"
  for child in $(cat "/proc/$1/task/"*/children); do family "$child"; done
}
# A zombie has no exe; nothing can end it and nothing needs to.
living() {
  local pid
  while read -r pid; do
    [ "$pid" = $$ ] || [ ! -e "/proc/$pid/exe" ] || echo "$pid"
  done
}
"""

_MINE = "grep -lszx '{variable}={tag}' [0-9]*/environ"

_OTHERS = (
    "grep -lsz '^{variable}=' [0-9]*/environ | while read -r file; do"
    ' grep -qszx \'{variable}={tag}\' "$file" || echo "$file"; done'
)

# Processes may start others while they are being found, hence the rounds.
_ROUNDS = r"""
cd /proc && for round in 1 2 3 4 5; do
  pids=$({found} | cut -d/ -f1 | while read -r pid; do family "$pid"; done | sort -un | living)
  [ -n "$pids" ] || break
  kill -KILL $pids
done
"""


def reap(tag: str, *, others: bool, variable: str = VARIABLE) -> str:
    """Bash text that kills the processes of the session `tag`, or of all sessions but it."""
    found = (_OTHERS if others else _MINE).format(tag=tag, variable=variable)
    return _FAMILY + _ROUNDS.replace("{found}", found)
