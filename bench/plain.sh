#!/bin/bash
# The yardstick: a three-manager swarm of the same images, made with the docker client as fast as
# shell can. No certificates, no addresses chosen with care, no mending, no messages.
#   bench/plain.sh up NODE_IMAGE WORKSTATION_IMAGE
#   bench/plain.sh down
set -euo pipefail
nodes=(1 2 3)
label=swarmlab.bench=plain

start_node() {
    docker run -d --name "plain-$1" --hostname "plain-$1" --network plain --label $label \
        --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
        --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
        -v "plain-$1:/var/lib/docker" "$2" >/dev/null
    docker exec "plain-$1" sh -c 'until docker version >/dev/null 2>&1; do sleep 0.05; done'
}

up() {
    docker network create --label $label plain >/dev/null
    for n in "${nodes[@]}"; do start_node "$n" "$1" & done
    docker run -d --name plain-workstation --network plain --label $label "$2" >/dev/null &
    wait
    docker exec plain-1 docker swarm init --advertise-addr eth0 >/dev/null
    token=$(docker exec plain-1 docker swarm join-token -q manager)
    for n in 2 3; do
        docker exec "plain-$n" docker swarm join --token "$token" plain-1:2377 >/dev/null
    done
    for n in "${nodes[@]}"; do
        docker exec plain-1 docker node update --label-add env=prod "plain-$n" >/dev/null &
    done
    wait
    docker exec plain-1 sh -c 'until [ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}" |
        grep -cE "Ready (Leader|Reachable)")" = 3 ]; do sleep 0.05; done'
}

down() {
    docker rm -fv plain-1 plain-2 plain-3 plain-workstation >/dev/null 2>&1 || true
    docker volume rm plain-1 plain-2 plain-3 >/dev/null 2>&1 || true
    docker network rm plain >/dev/null 2>&1 || true
}

case ${1:-} in
    up) up "$2" "$3" ;;
    down) down ;;
    *) echo "usage: $0 up NODE_IMAGE WORKSTATION_IMAGE | down" >&2; exit 2 ;;
esac
