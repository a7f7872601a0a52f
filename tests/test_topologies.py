"""The clusters and the Sentinel sets that other tests stand on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster_servers import SLOTS, Cluster
from tests.control import ServerError
from tests.sentinel_servers import SERVICE, SentinelSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Certificates
    from tests.servers import Family

# In seconds: what other tests may count on. It takes 2.3 and 1.2 on two cores: a cluster refuses to serve for the
# first two seconds of its life.
_CLUSTER_STARTS = 15
_SENTINELS_START = 10


@pytest.fixture(scope="module")
def cluster(family: Family) -> Iterator[Cluster]:
    """A cluster that is whole again after each test."""
    began = time.monotonic()
    with Cluster(family) as running:
        assert time.monotonic() - began < _CLUSTER_STARTS
        yield running


@pytest.fixture(scope="module")
def sentinel_set(family: Family) -> Iterator[SentinelSet]:
    """A Sentinel set that is whole again after each test."""
    began = time.monotonic()
    with SentinelSet(family) as running:
        assert time.monotonic() - began < _SENTINELS_START
        yield running


def test_a_cluster_covers_all_slots_twice(cluster: Cluster) -> None:
    primaries = cluster.primaries()
    assert len(primaries) == 3
    assert sorted(slot for primary in primaries for slot in cluster.slots(primary)) == list(range(SLOTS))
    assert [len(cluster.replicas(primary)) for primary in primaries] == [1, 1, 1]
    assert not set(primaries) & set(cluster.replicas())
    assert len(cluster.urls) == 6


def test_keys_have_owners(cluster: Cluster) -> None:
    assert cluster.slot("{user1}:a") == cluster.slot("user1")
    owner = cluster.owner("user1")
    assert cluster.slot("user1") in cluster.slots(owner)
    for primary in cluster.primaries():
        if primary is owner:
            assert primary.command("GET", "user1") is None
        else:
            with pytest.raises(ServerError, match=f"MOVED {cluster.slot('user1')} 127.0.0.1:{owner.port}"):
                primary.command("GET", "user1")


def test_a_slot_moves_step_by_step(cluster: Cluster) -> None:
    slot, source = cluster.slot("t"), cluster.owner("t")
    target = next(primary for primary in cluster.primaries() if primary is not source)
    for key in ("{t}1", "{t}2"):
        source.command("SET", key, key)
    move = cluster.move(slot, source, target)
    move.begin()
    assert move.move_keys(1) == 1
    with pytest.raises(ServerError, match="TRYAGAIN"):
        source.command("MGET", "{t}1", "{t}2")
    with pytest.raises(ServerError, match=f"ASK {slot} 127.0.0.1:{target.port}"):
        source.command("GET", "{t}absent")
    assert move.move_keys() == 1
    move.end()
    cluster.settle()
    assert cluster.owner(slot) is target
    assert target.command("MGET", "{t}1", "{t}2") == [b"{t}1", b"{t}2"]


def test_many_slots_move(cluster: Cluster) -> None:
    source, target, _ = cluster.primaries()
    key = next(key for key in map(str, range(1000)) if cluster.slot(key) in cluster.slots(source)[:100])
    source.command("SET", key, "v")
    moved = cluster.reshard(100, source, target)
    assert len(moved) == 100
    assert set(moved) <= set(cluster.slots(target))
    assert target.command("GET", key) == b"v"


def test_a_replica_takes_over_in_order(cluster: Cluster) -> None:
    primary = cluster.primaries()[0]
    replica = cluster.replicas(primary)[0]
    slots = cluster.slots(primary)
    assert cluster.failover(primary) is replica
    assert cluster.slots(replica) == slots
    assert cluster.replicas(replica) == [primary]


def test_a_replica_takes_over_from_a_dead_primary(cluster: Cluster) -> None:
    primary = cluster.primaries()[0]
    replica = cluster.replicas(primary)[0]
    slots = cluster.slots(primary)
    primary.kill()
    cluster.settle()
    assert cluster.slots(replica) == slots
    primary.start()
    cluster.settle()
    assert cluster.replicas(replica) == [primary]


def test_a_cluster_with_a_password_and_tls(family: Family, certificates: Certificates) -> None:
    with Cluster(family, password="pass word", tls=certificates) as cluster:
        node = cluster.nodes[0]
        assert node.url.startswith(f"{family.name}s://:pass%20word@127.0.0.1:{node.port}")
        assert cluster.remap("127.0.0.1", node.plain_port) == ("127.0.0.1", node.port)
        with node.client(user="default", password="pass word") as client:
            assert client("PING") == "PONG"
        source, target, _ = cluster.primaries()
        assert len(cluster.reshard(1, source, target)) == 1


def test_nodes_announce_names(family: Family) -> None:
    config = {"cluster-announce-hostname": "localhost", "cluster-preferred-endpoint-type": "hostname"}
    with Cluster(family, config=config) as cluster:
        shards = cluster.nodes[0].command("CLUSTER", "SLOTS")
        assert isinstance(shards, list)
        assert {member[0] for shard in shards for member in shard[2:]} == {b"localhost"}  # type: ignore[index]


def test_sentinels_know_the_master_and_its_replicas(sentinel_set: SentinelSet) -> None:
    assert len(sentinel_set.replicas()) == 2
    assert sentinel_set.master() not in sentinel_set.replicas()
    assert sentinel_set.url == f"{sentinel_set.family.name}://{SERVICE}"
    assert sentinel_set.options == {"sentinels": sentinel_set.addresses, "sentinel_kwargs": {}}


def test_sentinels_fail_over_in_order(sentinel_set: SentinelSet) -> None:
    before = sentinel_set.master()
    before.command("SET", "k", "v")
    after = sentinel_set.failover()
    assert after.command("GET", "k") == b"v"
    with pytest.raises(ServerError, match="READONLY"):
        before.command("SET", "k", "w")


def test_sentinels_fail_over_from_a_dead_master(sentinel_set: SentinelSet) -> None:
    before = sentinel_set.master()
    before.kill()
    sentinel_set.settle()
    after = sentinel_set.master()
    assert after is not before
    before.start()
    sentinel_set.settle()
    assert sentinel_set.master() is after
    assert before in sentinel_set.replicas()


def test_a_sentinel_comes_back(sentinel_set: SentinelSet) -> None:
    sentinel = sentinel_set.sentinels[0]
    sentinel.kill()
    sentinel_set.settle()
    sentinel_set.start_sentinel(sentinel)
    sentinel_set.settle()


def test_a_sentinel_set_with_passwords_and_tls(family: Family, certificates: Certificates) -> None:
    with SentinelSet(
        family, sentinel_password="other", sentinel_tls=certificates, password="pass word", tls=certificates
    ) as sentinel_set:
        assert sentinel_set.options["sentinel_kwargs"] == {"password": "other"}
        master, sentinel = sentinel_set.master(), sentinel_set.sentinels[0]
        assert sentinel_set.remap("127.0.0.1", master.plain_port) == ("127.0.0.1", master.port)
        with master.client(user="default", password="pass word") as client:
            assert client("PING") == "PONG"
        with sentinel.client(user="default", password="other") as client:
            assert client("PING") == "PONG"
