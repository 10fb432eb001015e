#!/bin/bash
# Remove services, networks and volumes of the swarm, and wait until they are really gone.
#
#   ./remove.sh service NAME... network NAME... volume NAME...
#
# What is not there is no error, so it can be repeated. `docker service rm` returns before the
# containers have ended, and a network or volume cannot go before its last container: so this
# asks again for at most a minute, and ends with 1 when something is still left.
set -uo pipefail

mapfile -t nodes < <(docker-machine ls -q)
service=() network=() volume=() kind=
for word in "$@"; do
    case $word in
    service | network | volume) kind=$word ;;
    *) declare -n list=${kind:?say service, network or volume first}; list+=("$word") ;;
    esac
done

# left: one line for each thing that is still there, after one more try to remove it.
left() {
    local node name
    for name in "${network[@]}"; do
        docker network rm "$name" >/dev/null 2>&1
        docker network ls -q --filter "name=^$name\$" --filter scope=swarm
    done
    for node in "${nodes[@]}"; do
        eval "$(docker-machine env "$node")"
        for name in "${service[@]}"; do
            docker ps -aq --filter "label=com.docker.swarm.service.name=$name"
        done
        for name in "${volume[@]}"; do
            docker volume rm "$name" >/dev/null 2>&1
            docker volume ls -q --filter "name=^$name\$"
        done
    done
}

eval "$(docker-machine env "${nodes[0]}")"
for name in "${service[@]}"; do
    docker service rm "$name" >/dev/null 2>&1
done
deadline=$((SECONDS + 60))
while remaining=$(left) && [[ -n $remaining ]]; do
    if ((SECONDS > deadline)); then
        echo "still there: $remaining" >&2
        exit 1
    fi
    sleep 0.5
done
