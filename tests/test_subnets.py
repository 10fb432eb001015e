"""A subnet that collides with nothing."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlab.errors import EnvironmentProblem
from swarmlab.providers import subnets

TABLE = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    "tun0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)


def nets(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def test_an_empty_machine_gets_docker_machines_own() -> None:
    assert subnets.choose([]) == IPv4Network("192.168.99.0/24")


def test_the_next_free_one() -> None:
    assert subnets.choose(nets("192.168.99.0/24")) == IPv4Network("192.168.100.0/24")
    assert subnets.choose(nets("192.168.99.128/25", "192.168.100.7/32")) == IPv4Network(
        "192.168.101.0/24"
    )


def test_a_wide_network_moves_the_lab_elsewhere() -> None:
    chosen = subnets.choose(nets("192.168.0.0/16"))
    assert chosen.subnet_of(IPv4Network("172.16.0.0/12"))


def test_every_private_range_taken_leaves_the_benchmark_range() -> None:
    chosen = subnets.choose(nets("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8"))
    assert chosen == IPv4Network("198.19.0.0/24")


def test_default_routes_and_a_vpn_that_takes_everything_are_no_networks() -> None:
    ways_out = nets("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1")
    assert subnets.choose(ways_out) == IPv4Network("192.168.99.0/24")


def test_no_place_at_all() -> None:
    everything = nets("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "198.18.0.0/15")
    with pytest.raises(EnvironmentProblem, match="No free subnet") as caught:
        subnets.choose(everything)
    assert "docker network rm" in caught.value.hint


def test_no_candidate_meets_the_addresses_that_swarm_and_the_nodes_take() -> None:
    taken = nets("10.0.0.0/16", "172.17.0.0/16", "172.18.0.0/16", "198.18.0.0/16")
    for candidate in subnets.candidates():
        assert candidate.prefixlen == 24
        assert not any(candidate.overlaps(network) for network in taken), candidate


@given(
    st.lists(
        st.builds(
            lambda address, length: IPv4Network((address, length), strict=False),
            st.integers(0, 2**32 - 1),
            st.integers(subnets._WIDEST, 32),
        ),
        max_size=30,
    )
)
def test_whatever_is_taken_the_choice_overlaps_none_of_it(taken: list[IPv4Network]) -> None:
    try:
        chosen = subnets.choose(taken)
    except EnvironmentProblem:
        for candidate in subnets.candidates():
            assert any(candidate.overlaps(network) for network in taken)
    else:
        assert not any(chosen.overlaps(network) for network in taken)


def test_routes_are_read_from_the_kernels_table(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(TABLE)
    assert subnets.routes(table) == nets("0.0.0.0/0", "192.0.2.0/24", "192.168.0.0/16")


def test_a_machine_without_that_table_has_no_routes_to_mind(tmp_path: Path) -> None:
    assert subnets.routes(tmp_path / "none") == []


def test_networks_of_the_engine() -> None:
    listed: list[dict[str, object]] = [
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": None},
        {},
        {"IPAM": {"Config": [{}]}},
    ]
    assert subnets.of_engine(listed) == nets("172.17.0.0/16")


def test_fixed_addresses() -> None:
    subnet = IPv4Network("192.168.99.0/24")
    assert subnets.workstation(subnet) == "192.168.99.10"
    assert [subnets.node(subnet, n) for n in (1, 2, 3)] == [
        "192.168.99.11",
        "192.168.99.12",
        "192.168.99.13",
    ]
