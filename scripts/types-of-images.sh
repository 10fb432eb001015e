#!/bin/sh
# The small programs inside the images are packages of their own, with Debian 13's Python: each is
# type-checked by itself. pymongo comes from Debian there and is not installed here.
set -eu
cd "$(dirname "$0")/.."
for package in flow-proxy/flow_proxy node/mesh node/registry go-demo/go_demo; do
    folder=compose/images/${package%/*} name=${package#*/}
    MYPYPATH=$folder .venv/bin/mypy --config-file= --strict --python-version 3.13 \
        --disable-error-code import-not-found -p "$name" >/tmp/swarmlab-types.$$ 2>&1 || {
        cat /tmp/swarmlab-types.$$
        rm -f /tmp/swarmlab-types.$$
        exit 1
    }
    rm -f /tmp/swarmlab-types.$$
    echo "$package: types are sound"
done
