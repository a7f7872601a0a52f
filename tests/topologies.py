"""What commands are tested on: one server, a cluster, a Sentinel set, each seen as if it were one server."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

from tests.cluster_servers import Cluster
from tests.control import ServerError
from tests.sentinel_servers import SentinelSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.control import Control, Reply
    from tests.servers import Family, Server

__all__ = ["EVERY", "STANDALONE", "AsOne", "Routed", "Topology", "standing"]

STANDALONE = "standalone"
#: The topologies that commands are tested on.
EVERY = (STANDALONE, "cluster", "sentinel")


@dataclass(frozen=True)
class Topology:
    """Running servers, and how a cache gets at them.

    Attributes:
        name: One of `EVERY`.
        backend: The dotted path of the cache class.
        location: Its LOCATION.
        server: The tests' own way in: a `Server`, or a cluster as if it were one.
        options: The OPTIONS that belong to the location.
        catch_up: Waits until whatever may serve reads has all that was written.
    """

    name: str
    backend: str
    location: str | list[str]
    server: Server | AsOne
    options: Mapping[str, Any] = field(default_factory=dict)
    catch_up: Callable[[], None] = lambda: None

    @property
    def is_sharded(self) -> bool:
        """Whether keys are spread over servers."""
        return isinstance(self.server, AsOne)


@contextlib.contextmanager
def standing(name: str, family: Family) -> Iterator[Topology]:
    """Run the servers of a topology.

    Args:
        name: One of `EVERY`.
        family: The program that they run.
    """
    # Each class works with either family; the one that is called like it is as good as the other.
    brand = {"redis": "Redis", "valkey": "Valkey"}[family.name]
    if name == "cluster":
        with Cluster(family) as cluster:
            yield Topology(name, f"django_cachex.cache.{brand}ClusterCache", cluster.urls, AsOne(cluster))
    elif name == "sentinel":
        with SentinelSet(family) as watched:
            yield Topology(
                name,
                f"django_cachex.cache.{brand}SentinelCache",
                watched.url,
                watched.master(),
                watched.options,
                functools.partial(_catch_up, watched.master(), len(watched.replicas())),
            )
    else:
        with family.start(unix_socket=True) as server:
            yield Topology(name, "django_cachex.cache.RedisCache", server.url, server)


def _catch_up(master: Server, replicas: int) -> None:
    assert master.is_replicated(replicas)


class Routed:
    """Connections to all primaries of a cluster that does not change, used as if they were one."""

    def __init__(self, cluster: Cluster, connect: Callable[[Server], Control]) -> None:
        """Prepare to send.

        Args:
            cluster: The cluster.
            connect: Gives the connection to a node.
        """
        primaries = cluster.primaries()
        self._first = cluster.owner(0)
        self._at = {node: connect(node) for node in primaries}
        self._owners = {slot: node for node in primaries for slot in cluster.slots(node)}

    def __call__(self, *words: str | bytes | float) -> Reply:
        """Send a command to whoever has its keys; without keys to all primaries, for the reply of slot 0's.

        Raises:
            ServerError: A server answered with an error.
        """
        at_first = self._at[self._first]
        try:
            keys = at_first("COMMAND", "GETKEYS", *words)
        except ServerError:
            # This one last: it is the one that the backend talks to, and nothing is to come after it.
            for node, command in self._at.items():
                if node is not self._first:
                    command(*words)
            return at_first(*words)
        assert isinstance(keys, list)
        slot = at_first("CLUSTER", "KEYSLOT", cast("bytes", keys[0]))
        return self._at[self._owners[cast("int", slot)]](*words)

    def __enter__(self) -> Self:
        """Return the connections themselves."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Close all of them."""
        for command in self._at.values():
            command.close()


class AsOne:
    """A cluster with the face of a `Server`, as far as tests of commands look at it.

    Attributes:
        family: The program that its nodes run.
        command: Sends a command where it belongs; see `Routed`.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Look at a cluster that does not change from now on."""
        self._cluster = cluster
        self.family = cluster.family
        self.command = Routed(cluster, lambda node: node.command)

    def __repr__(self) -> str:
        """Name the cluster."""
        return f"<{self._cluster!r} as one>"

    @property
    def url(self) -> str:
        """A LOCATION: all nodes."""
        return ",".join(self._cluster.urls)

    @property
    def plain_port(self) -> int:
        """The port of slot 0's primary, which answers what has no key."""
        return self._cluster.owner(0).plain_port

    def client(self) -> Routed:
        """Return further connections of the tests' own user."""
        return Routed(self._cluster, lambda node: node.client())

    def clients(self) -> list[dict[str, str]]:
        """Return the connections that the primaries see, the tests' own and those of the replicas left out."""
        return [client for node in self._cluster.primaries() for client in node.clients()]

    def info(self, section: str = "default") -> dict[str, str]:
        """Return a section of INFO with the counts of all primaries added up."""
        total: dict[str, str] = {}
        for node in self._cluster.primaries():
            for name, value in node.info(section).items():
                total[name] = _added(total[name], value) if name in total else value
        return total

    def opened(self) -> int:
        """Return how many connections the primaries have accepted in their lives."""
        return sum(node.opened() for node in self._cluster.primaries())


def _added(one: str, other: str) -> str:
    """Add two figures of INFO, or two lists of them such as `calls=1,usec=2`; else the first stands."""
    if one.isdecimal() and other.isdecimal():
        return str(int(one) + int(other))
    if "=" not in one:
        return one
    ours, theirs = (dict(pair.split("=", 1) for pair in text.split(",")) for text in (one, other))
    return ",".join(f"{name}={_added(ours[name], theirs.get(name, '0'))}" for name in ours)
