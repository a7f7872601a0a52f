"""Real clusters for the tests: three primaries with a replica each, formed by the tests themselves."""

from __future__ import annotations

import contextlib
import functools
import itertools
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from tests.control import ServerError
from tests.servers import CONTROL_LOGIN, Options, Server

if TYPE_CHECKING:
    from tests.control import Control
    from tests.servers import Family

__all__ = ["NODE_TIMEOUT", "SLOTS", "Cluster", "SlotMove"]

SLOTS = 16384
#: Seconds until a node that does not answer counts as failing.
NODE_TIMEOUT = 2.0

_SHARDS = 3
_SETTLE_SECONDS = 30.0
_PAUSE = 0.02
# The nodes' own connections use a port so much higher.
_BUS = 10_000
_KEYS_AT_ONCE = 200
_MOVERS = 8


class Cluster:
    """Six processes that form a cluster; a context manager.

    Attributes:
        family: The program that they run.
        nodes: The processes, dead ones included: at first three primaries, then their replicas in the same order.
    """

    def __init__(self, family: Family, **options: Any) -> None:
        """Start the nodes and wait until they agree.

        Args:
            family: The program to run.
            options: The attributes of `tests.servers.Options`, for every node; `config` beats what is set here. With
                `tls` the nodes announce their plain ports, as behind a tunnel: clients need `remap`.

        Raises:
            RuntimeError: They do not come up, or do not agree in time.
        """
        self.family = family
        self.nodes: list[Server] = []
        try:
            for _ in range(2 * _SHARDS):
                self.nodes.append(_prepare(family, options))
                self.nodes[-1].start()
            self._form()
            self.settle()
        except BaseException:
            self.stop()
            raise

    def __repr__(self) -> str:
        """Name the program and the ports."""
        return f"<{self.family.name} cluster on {', '.join(str(node.port) for node in self.nodes)}>"

    def __enter__(self) -> Self:
        """Return the cluster."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """End all nodes and remove their directories."""
        for node in self.nodes:
            # In order it would wait for its replicas.
            node.kill()
            node.stop()

    # Where it is

    @property
    def urls(self) -> list[str]:
        """A LOCATION: the URLs of all nodes, with the default user's password."""
        return [node.url for node in self.nodes]

    def remap(self, host: str, port: int) -> tuple[str, int]:
        """Turn an address that the nodes announce into that of their TLS port: an `address_remap`."""
        return host, next((node.port for node in self.nodes if node.plain_port == port), port)

    # Who is who

    def running(self) -> list[Server]:
        """Return the nodes that have not been killed, in the order of `nodes`."""
        return [node for node in self.nodes if node.running]

    def primaries(self) -> list[Server]:
        """Return the running nodes that serve slots, in the order of `nodes`."""
        owners = {shard.primary for shard in _view(self._any())}
        return [node for node in self.running() if node.plain_port in owners]

    def replicas(self, primary: Server | None = None) -> list[Server]:
        """Return the running nodes that follow *primary*, or any primary."""
        followers: set[int] = set()
        for shard in _view(self._any()):
            if primary is None or shard.primary == primary.plain_port:
                followers |= shard.replicas
        return [node for node in self.running() if node.plain_port in followers]

    def slot(self, key: str | bytes) -> int:
        """Return the slot of a made key."""
        slot = self._any().command("CLUSTER", "KEYSLOT", key)
        assert isinstance(slot, int)
        return slot

    def owner(self, place: str | bytes | int) -> Server:
        """Return the primary of a made key or of a slot.

        Raises:
            LookupError: Nobody serves it, or a node that is down.
        """
        slot = place if isinstance(place, int) else self.slot(place)
        for shard in _view(self._any()):
            if shard.first <= slot <= shard.last:
                for node in self.running():
                    if node.plain_port == shard.primary:
                        return node
        raise LookupError(f"no running node serves slot {slot}")

    def slots(self, primary: Server) -> list[int]:
        """Return the slots that *primary* serves."""
        own = [shard for shard in _view(primary) if shard.primary == primary.plain_port]
        return [slot for shard in own for slot in range(shard.first, shard.last + 1)]

    # What a test does to it

    def settle(self, seconds: float = _SETTLE_SECONDS) -> None:
        """Wait until the running nodes agree which of them serves what, and every replica has caught up.

        After a primary was killed that is when its replica has taken over; after it was started again, when it has
        become a replica.

        Args:
            seconds: How long at most.

        Raises:
            RuntimeError: They do not agree in time.
        """
        deadline = time.monotonic() + seconds
        while (obstacle := self._obstacle()) is not None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self!r} does not settle: {obstacle}")
            time.sleep(_PAUSE)

    def failover(self, primary: Server) -> Server:
        """Hand the slots of *primary* to a replica of it, in order and without loss.

        Returns:
            The new primary.

        Raises:
            RuntimeError: The nodes do not agree on it in time.
        """
        successor = self.replicas(primary)[0]
        successor.command("CLUSTER", "FAILOVER")
        asked = time.monotonic()
        deadline = asked + _SETTLE_SECONDS
        # What nodes say of each other may be older than what they say of themselves.
        while not (
            self.slots(successor)
            and successor.command("ROLE")[0] == b"master"  # type: ignore[index]
            and primary.command("ROLE")[0] == b"slave"  # type: ignore[index]
        ):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{successor!r} does not take over")
            # The other primaries do not vote twice for the same slots in a short time.
            if time.monotonic() > asked + 5:
                asked = time.monotonic()
                successor.command("CLUSTER", "FAILOVER")
            time.sleep(_PAUSE)
        self.settle()
        return successor

    def move(self, slot: int, source: Server, target: Server) -> SlotMove:
        """Return the move of a slot between two primaries, to be done step by step."""
        return SlotMove(slot, source, target, source.command, target.command)

    def reshard(self, count: int, source: Server, target: Server) -> list[int]:
        """Move the first *count* slots of a primary and their keys to another, and wait until all nodes know.

        Returns:
            The slots.

        Raises:
            RuntimeError: The nodes do not agree on it in time.
        """
        slots = self.slots(source)[:count]

        def work(share: list[int]) -> None:
            with source.client() as at_source, target.client() as at_target:
                for slot in share:
                    SlotMove(slot, source, target, at_source, at_target).run()

        # Valkey answers when a node's replica knows and its file is written: several at once share these waits.
        with ThreadPoolExecutor(_MOVERS) as movers:
            list(movers.map(work, [slots[index::_MOVERS] for index in range(_MOVERS)]))
        self.settle()
        return slots

    # Inside

    def _any(self) -> Server:
        node = next((node for node in self.nodes if node.running), None)
        if node is None:
            raise RuntimeError("no node of the cluster is running")
        return node

    def _form(self) -> None:
        primaries, replicas = self.nodes[:_SHARDS], self.nodes[_SHARDS:]
        for index, primary in enumerate(primaries):
            first, last = index * SLOTS // _SHARDS, (index + 1) * SLOTS // _SHARDS - 1
            primary.command("CLUSTER", "ADDSLOTSRANGE", first, last)
            # Primaries of one epoch would have to sort that out first.
            primary.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        # Each to each, which takes fewer rounds than hearsay.
        for one, other in itertools.combinations(self.nodes, 2):
            one.command("CLUSTER", "MEET", "127.0.0.1", other.plain_port)
        for primary, replica in zip(primaries, replicas, strict=True):
            _follow(replica, _identity(primary))

    def _obstacle(self) -> str | None:
        """Say what is missing until the cluster has settled."""
        running = {node.plain_port for node in self.nodes if node.running}
        views = {node: _view(node) for node in self.running()}
        epochs = set()
        for node, view in views.items():
            info = _info(node, "CLUSTER", "INFO")
            if info["cluster_state"] != "ok":
                return f"{node!r} is in state {info['cluster_state']!r}"
            epochs.add(info["cluster_current_epoch"])
            if view != views[self._any()]:
                return f"{node!r} sees {view}, {self._any()!r} sees {views[self._any()]}"
            if (members := {port for shard in view for port in (shard.primary, *shard.replicas)}) != running:
                return f"{node!r} sees {sorted(members)} in service, not {sorted(running)}"
            if sum(shard.last - shard.first + 1 for shard in view) != SLOTS:
                return f"{node!r} does not see all slots served"
            if node.info("replication").get("master_link_status", "up") != "up":
                return f"{node!r} has not caught up with its primary"
        return None if len(epochs) == 1 else f"the nodes know of different epochs: {sorted(epochs)}"


class SlotMove:
    """A slot on its way from one primary to another, while clients work on it."""

    def __init__(self, slot: int, source: Server, target: Server, at_source: Control, at_target: Control) -> None:
        """Prepare the move; nothing is sent.

        Args:
            slot: The slot.
            source: Its owner.
            target: Who gets it.
            at_source: A connection to the owner.
            at_target: A connection to the other.
        """
        self._slot = slot
        self._source, self._target = source, target
        self._at_source, self._at_target = at_source, at_target

    def run(self) -> None:
        """Do all of it."""
        self.begin()
        self.move_keys()
        self.end()

    def begin(self) -> None:
        """Open the slot: its owner answers ASK for keys that it does not have, and the target takes them."""
        self._at_target("CLUSTER", "SETSLOT", self._slot, "IMPORTING", _identity(self._source))
        self._at_source("CLUSTER", "SETSLOT", self._slot, "MIGRATING", _identity(self._target))

    def move_keys(self, most: int | None = None) -> int:
        """Move keys of the opened slot.

        Args:
            most: How many; None: all.

        Returns:
            How many were moved.
        """
        moved = 0
        while most is None or moved < most:
            count = _KEYS_AT_ONCE if most is None else min(_KEYS_AT_ONCE, most - moved)
            keys = self._at_source("CLUSTER", "GETKEYSINSLOT", self._slot, count)
            assert isinstance(keys, list)
            if not keys:
                break
            names = [key for key in keys if isinstance(key, bytes)]
            address = "127.0.0.1", self._target.plain_port
            self._at_source("MIGRATE", *address, "", 0, 5000, "REPLACE", "AUTH2", *CONTROL_LOGIN, "KEYS", *names)
            moved += len(names)
        return moved

    def end(self) -> None:
        """Give the emptied slot to the target."""
        # The target first: were it the source, nobody would own the slot for a moment.
        for node in (self._at_target, self._at_source):
            node("CLUSTER", "SETSLOT", self._slot, "NODE", _identity(self._target))


@functools.cache
def _identity(node: Server) -> str:
    identity = node.command("CLUSTER", "MYID")
    assert isinstance(identity, bytes)
    return identity.decode()


@dataclass(frozen=True, order=True)
class _Shard:
    """A range of slots and the ports of those who serve it."""

    first: int
    last: int
    primary: int
    replicas: frozenset[int]


def _view(node: Server) -> list[_Shard]:
    shards = []
    listed = node.command("CLUSTER", "SLOTS")
    assert isinstance(listed, list)
    for entry in listed:
        first, last, *members = cast("list[Any]", entry)
        ports = [member[1] for member in members]
        shards.append(_Shard(first, last, ports[0], frozenset(ports[1:])))
    return sorted(shards)


def _info(node: Server, *words: str) -> dict[str, str]:
    said = node.command(*words)
    assert isinstance(said, bytes)
    return dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)


def _follow(replica: Server, primary: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            replica.command("CLUSTER", "REPLICATE", primary)
        except ServerError as error:
            # It has not heard of the primary yet.
            if "Unknown node" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _prepare(family: Family, options: dict[str, Any]) -> Server:
    user, password = CONTROL_LOGIN
    config = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": int(NODE_TIMEOUT * 1000),
        # One dead shard is not to stop the others.
        "cluster-require-full-coverage": "no",
        "cluster-allow-replica-migration": "no",
        # However long the tests have frozen it.
        "cluster-replica-validity-factor": 0,
        "repl-diskless-sync-delay": 0,
        # Redis does not list a replica that has received nothing yet.
        "repl-ping-replica-period": 1,
        # Passwords of the default user may come and go.
        "masteruser": user,
        "masterauth": password,
        **options.get("config", {}),
    }
    while True:
        server = Server(family, Options(**{**options, "config": config}))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", server.plain_port + _BUS))
                return server
        server.stop()
