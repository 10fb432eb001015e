#!/bin/sh
# Make the virtual environment in .venv and install swarmlab into it, once.
#   scripts/venv.sh        what a student needs
#   scripts/venv.sh dev    and what the tests need
# A stamp holds the checksum of pyproject.toml and the Python's version: nothing is installed twice,
# and an environment whose Python was replaced is made anew.
set -eu
cd "$(dirname "$0")/.."
extra=${1:-}
stamp=.venv/.installed${extra:+-$extra}

mark() {
    echo "$(cksum < pyproject.toml) $(.venv/bin/python -c 'import sys; print(*sys.version_info[:2])')"
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(mark 2>/dev/null)" ]; then
    exit 0
fi

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "swarmlab needs Python 3.11 or newer and found none on the PATH." >&2
    echo "Hint: install one (on Debian: apt-get install python3 python3-venv), or say where it is: make lab PYTHON=/path/to/python3" >&2
    exit 3
fi

# Debian's package is that of one Python: python3-venv helps none that stands beside python3.
package=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv

can_make() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Debian splits venv off from Python; where it is missing and apt can mend it, mend it.
if ! can_make "$python"; then
    as_root="env"
    [ "$(id -u)" = 0 ] || as_root="sudo --preserve-env=http_proxy,https_proxy,no_proxy env"
    if command -v apt-get >/dev/null 2>&1 && command -v "${as_root%% *}" >/dev/null 2>&1; then
        echo "· Installing $package (this Python cannot make virtual environments)"
        $as_root apt-get update -qq &&
            $as_root DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
    fi
    if ! can_make "$python"; then
        echo "$python cannot make virtual environments: the module venv or ensurepip is missing." >&2
        echo "Hint: sudo apt-get install $package, then run this again." >&2
        exit 3
    fi
fi

# An interruption may have left an environment without pip.
whole() { [ -x "$1" ] && fits "$1" && "$1" -m pip --version >/dev/null 2>&1; }

if ! whole .venv/bin/python; then
    echo "· Making the virtual environment .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
echo "· Installing swarmlab and its packages into .venv${extra:+ (with [$extra])}"
.venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check -e ".${extra:+[$extra]}"
mark > "$stamp"
