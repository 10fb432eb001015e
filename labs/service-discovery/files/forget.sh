#!/bin/bash
# Let every proxy forget every service, and take the proxy's keys out of Consul.
#
#   ./forget.sh
#
# A service under a wrong name is known to the proxies too, and Consul may have lost what they
# still serve: so both are asked for names, each proxy in its own container. What is not there is
# no error, so it can be repeated.
set -uo pipefail

mapfile -t nodes < <(docker-machine ls -q)
address=$(docker-machine ip "${nodes[0]}")
keys=$address:8500/v1/kv/docker-flow

# names: the services that Consul holds, and those that the proxies serve, one a line.
names() {
    local node id
    curl -s "$keys/service/?keys" | jq -r '.[]' 2>/dev/null | sed 's|.*/||'
    for node in "${nodes[@]}"; do
        eval "$(docker-machine env "$node")"
        for id in $(docker ps -q --filter label=com.docker.swarm.service.name=proxy); do
            docker exec "$id" awk '$1 == "server" {print $2}' /cfg/haproxy.cfg
        done
    done
}

for name in $(names | sort -u); do
    curl -s -o /dev/null \
        "$address:8080/v1/docker-flow-proxy/remove?serviceName=$name&distribute=true"
done
curl -s -o /dev/null -X DELETE "$keys?recurse" || true # Consul may be gone already
