#!/bin/bash
# Give a service new tasks, with slots numbered from 1 and no history of failed ones.
#
#   ./restart.sh SERVICE COUNT
#
# Scaling down takes any tasks away, not those with the highest numbers, and rows of failed tasks
# stay in `docker service ps`. So this scales to none first, while the swarm is told to keep no
# history, and waits until the new tasks are healthy: a minute at most for each half, and ends
# with 1 when that did not do.
set -uo pipefail

service=$1 count=$2
mapfile -t nodes < <(docker-machine ls -q)

# containers [more options for docker ps]: how many the service has on all nodes.
containers() {
    local node
    for node in "${nodes[@]}"; do
        eval "$(docker-machine env "$node")"
        docker ps -q --filter "label=com.docker.swarm.service.name=$service" "$@"
    done | wc -l
}

# reach NUMBER [options]: wait until so many are counted.
reach() {
    local wanted=$1 deadline=$((SECONDS + 60))
    shift
    until [[ $(containers "$@") -eq $wanted ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 0.3
    done
}

eval "$(docker-machine env "${nodes[0]}")"
limit=$(docker info --format '{{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}')
# None is what this script sets: an earlier one was ended before it could set back what had been
# there. Five is what swarms begin with.
((limit > 0)) || limit=5
docker swarm update --task-history-limit 0 >/dev/null
docker service scale -d "$service=0" >/dev/null && reach 0 -a &&
    docker service scale -d "$service=$count" >/dev/null && reach "$count" -f health=healthy
ended=$?
docker swarm update --task-history-limit "$limit" >/dev/null
exit $ended
