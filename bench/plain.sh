#!/bin/bash
# The yardstick: a three-manager swarm of the same images, made with the docker client as fast as
# shell can. No certificates, no addresses chosen with care, no mending, no messages.
#   bench/plain.sh up NODE_IMAGE WORKSTATION_IMAGE
#   bench/plain.sh down
set -euo pipefail
name=swarmlab-bench-plain
label=swarmlab.bench=plain

start_node() {
    docker run -d --name "$name-$1" --hostname "$name-$1" --network $name --label $label \
        --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
        --security-opt systempaths=unconfined -v "$name-$1:/var/lib/docker" "$2" >/dev/null
    docker exec "$name-$1" sh -c 'until docker version >/dev/null 2>&1; do sleep 0.05; done'
}

# Two managers that join at the same moment may get in each other's way: then once more.
join() {
    docker exec "$name-$1" docker swarm join --token "$2" "$name-1:2377" >/dev/null 2>&1 ||
        docker exec "$name-$1" docker swarm join --token "$2" "$name-1:2377" >/dev/null
}

# all JOBS...: wait for each, and fail when one failed.
all() { for job in "$@"; do wait "$job"; done; }

up() {
    local jobs=()
    docker network create --label $label $name >/dev/null
    for n in 1 2 3; do start_node "$n" "$1" & jobs+=($!); done
    docker run -d --name $name-workstation --network $name --label $label "$2" >/dev/null &
    all "${jobs[@]}" $!
    docker exec $name-1 docker swarm init --advertise-addr eth0 >/dev/null
    token=$(docker exec $name-1 docker swarm join-token -q manager)
    join 2 "$token" & second=$!
    join 3 "$token" & all "$second" $!
    jobs=()
    for n in 1 2 3; do
        docker exec $name-1 docker node update --label-add env=prod "$name-$n" >/dev/null &
        jobs+=($!)
    done
    all "${jobs[@]}"
    docker exec $name-1 sh -c 'until [ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}" |
        grep -cE "Ready (Leader|Reachable)")" = 3 ]; do sleep 0.05; done'
}

down() {
    docker ps -aq --filter label=$label | xargs -r docker rm -fv >/dev/null
    for n in 1 2 3; do docker volume rm "$name-$n" >/dev/null 2>&1 || true; done
    docker network ls -q --filter label=$label | xargs -r docker network rm >/dev/null
}

case ${1:-} in
    up) up "$2" "$3" ;;
    down) down ;;
    *) echo "usage: $0 up NODE_IMAGE WORKSTATION_IMAGE | down" >&2; exit 2 ;;
esac
