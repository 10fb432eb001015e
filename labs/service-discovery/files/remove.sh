#!/bin/bash
# Remove services, networks and volumes of the swarm, and wait until they are really gone.
#
#   ./remove.sh service NAME... network NAME... volume NAME...
#
# What is not there is no error, so it can be repeated. A service that is on one of the networks
# goes too, whatever its name: one that was mistyped would hold the network for ever.
# `docker service rm` returns before the containers have ended, and a network or volume cannot go
# before its last container: so this asks again for at most a minute, and ends with 1 when
# something is still left. An engine that does not answer in time has not said that it is gone.
set -uo pipefail

mapfile -t nodes < <(docker-machine ls -q)
service=() network=() volume=() kind=
for word in "$@"; do
    case $word in
    service | network | volume) kind=$word ;;
    *) declare -n list=${kind:?say service, network or volume first}; list+=("$word") ;;
    esac
done

# on NETWORK: the names of the services that are on it; 1 when nobody could say.
on() {
    local id services
    id=$(docker network ls -q --no-trunc --filter "name=^$1\$" --filter scope=swarm) || return 1
    [[ -n $id ]] || return 0
    services=$(docker service ls -q 2>&1) || {
        # A worker answers that it is no manager: it can say nothing of services, now or later.
        [[ $services == *"swarm manager"* ]]
        return
    }
    [[ -n $services ]] || return 0
    docker service inspect $services --format \
        '{{.Spec.Name}}{{range .Spec.TaskTemplate.Networks}} {{.Target}}{{end}}' |
        awk -v id="$id" -v name="$1" \
            '{for (i = 2; i <= NF; i++) if ($i == id || $i == name) {print $1; next}}'
}

# left: one line for each thing that is still there, after one more try to remove it.
left() {
    local node name
    for name in "${network[@]}"; do
        docker network rm "$name" >/dev/null 2>&1
        docker network ls --filter "name=^$name\$" --filter scope=swarm \
            --format 'network {{.Name}}' || echo "perhaps network $name"
    done
    for node in "${nodes[@]}"; do
        eval "$(docker-machine env "$node")"
        for name in "${service[@]}"; do
            docker ps -a --filter "label=com.docker.swarm.service.name=$name" \
                --format "{{.Names}} on $node"
        done
        for name in "${volume[@]}"; do
            docker volume rm "$name" >/dev/null 2>&1
            docker volume ls --filter "name=^$name\$" --format "volume {{.Name}} on $node"
        done
    done
}

eval "$(docker-machine env "${nodes[0]}")"
deadline=$((SECONDS + 60))
for name in "${network[@]}"; do
    until others=$(on "$name") || ((SECONDS > deadline)); do
        sleep 0.5
    done
    for other in $others; do
        [[ " ${service[*]} " == *" $other "* ]] && continue
        echo "service $other is on network $name: removed too"
        service+=("$other")
    done
done
for name in "${service[@]}"; do
    docker service rm "$name" >/dev/null 2>&1
done
# Whether the last question of a look was answered says nothing of what it has found.
while remaining=$(left); [[ -n $remaining ]]; do
    if ((SECONDS > deadline)); then
        echo "still there: $remaining" >&2
        exit 1
    fi
    sleep 0.5
done
