#!/bin/bash
# A cluster manager in a few lines, to see what a manager without a service registry gets wrong.
#
#   ./naive-manager.sh MANAGER SERVICE COUNT [options for docker run] IMAGE
#   ./naive-manager.sh A go-demo 2 -e DB=10.0.0.5 some/go-demo    run two of it
#   ./naive-manager.sh A go-demo 0                                remove what it knows of
#
# It starts real containers on the real engines of swarm-1, swarm-2 and swarm-3. It gets its
# picture of the cluster in one of two ways:
#
#   without REGISTRY   from MANAGER.state, a file of its own, which no other manager reads
#   with REGISTRY      from an address in Consul's key/value store, the same for all managers;
#                      there each node reports what runs on it
set -euo pipefail

if (($# < 3)); then
    sed -n '3,6s/^# *//p' "$0" >&2
    exit 2
fi

nodes=(swarm-1 swarm-2 swarm-3)
manager=$1 service=$2 wanted=$3
shift 3
file=$manager.state

# on NODE COMMAND...: run a docker command on the engine of that node.
on() {
    (eval "$(docker-machine env "$1")" && "${@:2}")
}

# report NODE: what an agent on the node would do all the time: ask the engine what runs, and
# write that to the registry. Nobody's memory is involved.
report() {
    on "$1" docker ps --filter label=naive --format "{{.Label \"naive\"}} $1 {{.ID}}" |
        curl -sSf -o /dev/null -X PUT --data-binary @- "$REGISTRY/nodes/$1"
}

# known: one line "SERVICE NODE CONTAINER" for each container that this manager believes in.
known() {
    if [[ -n ${REGISTRY:-} ]]; then
        for node in "${nodes[@]}"; do curl -sSf "$REGISTRY/nodes/$node?raw"; done
    elif [[ -f $file ]]; then
        cat "$file"
    fi | awk -v service="$service" '$1 == service'
}

# start NODE [options] IMAGE: start one container; the private file remembers it as running,
# whatever happens to it later.
start() {
    local id
    id=$(on "$1" docker run -d --restart unless-stopped --label naive="$service" \
        --label manager="$manager" "${@:2}")
    echo "  started ${id:0:12} on $1"
    [[ -n ${REGISTRY:-} ]] || echo "$service $1 ${id:0:12}" >>"$file"
}

# stop NODE CONTAINER: remove one container, and forget it.
stop() {
    on "$1" docker rm -f -v "$2" >/dev/null 2>&1 || true # it may be gone already
    echo "  removed $2 on $1"
    [[ -n ${REGISTRY:-} ]] || sed -i "/ $2$/d" "$file"
}

if [[ -n ${REGISTRY:-} ]]; then
    # What is wanted is state too: the next manager that is asked must find it.
    curl -sSf -o /dev/null -X PUT -d "$wanted" "$REGISTRY/wanted/$service"
    for node in "${nodes[@]}"; do report "$node"; done
fi

mapfile -t have < <(known)
echo "$manager: $service: I know of ${#have[@]}, wanted are $wanted"

# Too few: start the missing ones, the nodes taking turns. Too many: remove the last ones.
for ((i = ${#have[@]}; i < wanted; i++)); do
    start "${nodes[i % ${#nodes[@]}]}" "$@"
done
for ((i = ${#have[@]} - 1; i >= wanted; i--)); do
    read -r _ node id <<<"${have[i]}"
    stop "$node" "$id"
done

if [[ -n ${REGISTRY:-} ]]; then
    for node in "${nodes[@]}"; do report "$node"; done
fi
