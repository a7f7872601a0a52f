"""Real Sentinel sets for the tests: a master with two replicas, and three sentinels that watch over them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

from tests.control import ServerError
from tests.servers import CONTROL_LOGIN, Options, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.certificates import Certificates
    from tests.servers import Family

__all__ = ["DOWN_AFTER", "SERVICE", "SentinelSet"]

#: The name that the sentinels know the master by.
SERVICE = "cachex-service"
#: Seconds until a sentinel counts a server that does not answer as down.
DOWN_AFTER = 2.0

_FAILOVER_TIMEOUT = 4.0
_REPLICAS = 2
_SENTINELS = 3
_QUORUM = 2
_SETTLE_SECONDS = 30.0
_PAUSE = 0.02
# Sentinels find each other by messages and replicas by asking, which takes them seconds; and on a busy machine they
# think that their clock is wrong, and do nothing for half a minute.
_TEMPO = {"publish-period": 200, "info-period": 500, "tilt-period": 1000}


class SentinelSet:
    """A master, two replicas and three sentinels; a context manager.

    Attributes:
        family: The program that they run.
        nodes: The data servers, dead ones included; at first the master stands in front.
        sentinels: The sentinels, dead ones included.
    """

    def __init__(
        self,
        family: Family,
        *,
        sentinel_password: str | None = None,
        sentinel_tls: Certificates | None = None,
        **options: Any,
    ) -> None:
        """Start all and wait until the sentinels know everybody.

        Args:
            family: The program to run.
            sentinel_password: What clients have to give to a sentinel.
            sentinel_tls: Certificates of sentinels whose `port` speaks TLS.
            options: The attributes of `tests.servers.Options`, for the data servers; `config` beats what is set here.
                With `tls` the sentinels announce their plain ports, as behind a tunnel: clients need `remap`.

        Raises:
            RuntimeError: They do not come up, or do not find each other in time.
        """
        self.family = family
        self.nodes: list[Server] = []
        self.sentinels: list[Server] = []
        try:
            for _ in range(1 + _REPLICAS):
                self.nodes.append(self._data_server(options))
                self.nodes[-1].start()
            for _ in range(_SENTINELS):
                self.sentinels.append(self._sentinel(sentinel_password, sentinel_tls))
                self.start_sentinel(self.sentinels[-1])
            self.settle()
        except BaseException:
            self.stop()
            raise

    def __repr__(self) -> str:
        """Name the program and the ports."""
        data, sentinels = (", ".join(str(each.port) for each in all_) for all_ in (self.nodes, self.sentinels))
        return f"<{self.family.name} on {data} watched from {sentinels}>"

    def __enter__(self) -> Self:
        """Return the set."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """End all processes and remove their directories."""
        # The sentinels first, or they would see a failure; and none in order: a master would wait for its replicas.
        for server in (*self.sentinels, *self.nodes):
            server.kill()
            server.stop()

    # Where it is

    @property
    def url(self) -> str:
        """A LOCATION, with the default user's password; it needs `options`."""
        return self.nodes[0].url.replace(f"127.0.0.1:{self.nodes[0].port}", SERVICE)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the sentinels are: the option `sentinels`."""
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    @property
    def options(self) -> Mapping[str, Any]:
        """The OPTIONS that belong to `url`."""
        password = self.sentinels[0].options.password
        return {"sentinels": self.addresses, "sentinel_kwargs": {} if password is None else {"password": password}}

    def remap(self, host: str, port: int) -> tuple[str, int]:
        """Turn an address that the sentinels announce into that of a TLS port: an `address_remap`."""
        servers = (*self.nodes, *self.sentinels)
        return host, next((server.port for server in servers if server.plain_port == port), port)

    # Who is who

    def running(self) -> list[Server]:
        """Return the data servers that have not been killed, in the order of `nodes`."""
        return [node for node in self.nodes if node.running]

    def master(self) -> Server:
        """Return the server that the first running sentinel gives as the master.

        Raises:
            LookupError: It gives one that is down.
        """
        sentinel = next(each for each in self.sentinels if each.running)
        port = _master_port(sentinel)
        for node in self.running():
            if node.plain_port == port:
                return node
        raise LookupError(f"the master on port {port} is not running")

    def replicas(self) -> list[Server]:
        """Return the running data servers but for the master."""
        master = self.master()
        return [node for node in self.running() if node is not master]

    # What a test does to it

    def start_sentinel(self, sentinel: Server) -> None:
        """Start a sentinel that was killed; it still knows whom it watches."""
        sentinel.start()
        for parameter, milliseconds in _TEMPO.items():
            sentinel.command("SENTINEL", "DEBUG", parameter, milliseconds)

    def settle(self, seconds: float = _SETTLE_SECONDS) -> None:
        """Wait until the running sentinels agree on a running master, and all running replicas follow it.

        After a master was killed that is when another one has taken over; after it was started again, when it has
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

    def failover(self) -> Server:
        """Have the sentinels promote a replica while the master is well.

        Returns:
            The new master.

        Raises:
            RuntimeError: They do not do it in time.
        """
        before = self.master()
        deadline = time.monotonic() + _SETTLE_SECONDS
        asked = 0.0
        while (after := self.master()) is before:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self!r} does not fail over")
            # One that follows closely on another may come to nothing.
            if time.monotonic() > asked + 5:
                asked = time.monotonic()
                sentinel = next(each for each in self.sentinels if each.running)
                with contextlib.suppress(ServerError):
                    sentinel.command("SENTINEL", "FAILOVER", SERVICE)
            time.sleep(_PAUSE)
        self.settle()
        return after

    # Inside

    def _data_server(self, options: dict[str, Any]) -> Server:
        user, password = CONTROL_LOGIN
        config = {
            "repl-diskless-sync-delay": 0,
            "repl-ping-replica-period": 1,
            # Passwords of the default user may come and go.
            "masteruser": user,
            "masterauth": password,
        }
        if self.nodes:
            config["replicaof"] = f"127.0.0.1 {self.nodes[0].plain_port}"
        config |= options.get("config", {})
        return Server(self.family, Options(**{**options, "config": config}))

    def _sentinel(self, password: str | None, tls: Certificates | None) -> Server:
        user, secret = CONTROL_LOGIN
        directives = [
            f"monitor {SERVICE} 127.0.0.1 {self.nodes[0].plain_port} {_QUORUM}",
            f"down-after-milliseconds {SERVICE} {int(DOWN_AFTER * 1000)}",
            f"failover-timeout {SERVICE} {int(_FAILOVER_TIMEOUT * 1000)}",
            f"parallel-syncs {SERVICE} {_REPLICAS}",
            f"auth-user {SERVICE} {user}",
            f"auth-pass {SERVICE} {secret}",
            f"sentinel-user {user}",
            f"sentinel-pass {secret}",
        ]
        options = Options(password=password, tls=tls, config={"sentinel": directives}, arguments=("--sentinel",))
        return Server(self.family, options)

    def _obstacle(self) -> str | None:
        """Say what is missing until all have settled."""
        running = {node.plain_port: node for node in self.running()}
        watching = [sentinel for sentinel in self.sentinels if sentinel.running]
        masters = {_master_port(sentinel) for sentinel in watching}
        if len(masters) != 1 or not masters <= running.keys():
            return f"the sentinels give {sorted(masters)} as the master, running are {sorted(running)}"
        (port,) = masters
        master = running.pop(port)
        if (role := master.info("replication")["role"]) != "master":
            return f"the master's own role is {role}"
        for node in running.values():
            seen = node.info("replication")
            if seen.get("master_port") != str(port) or seen["master_link_status"] != "up":
                return f"{node!r} does not follow the master yet"
        for sentinel in watching:
            if (others := len(_rows(sentinel, "SENTINELS"))) != len(self.sentinels) - 1:
                return f"{sentinel!r} knows {others} other sentinels"
            rows = [row for row in _rows(sentinel, "REPLICAS") if row["flags"] == "slave"]
            healthy = {int(row["port"]) for row in rows if row["master-link-status"] == "ok"}
            if healthy != running.keys():
                return f"{sentinel!r} sees replicas on {sorted(healthy)}, not {sorted(running)}"
        # Redis calls a replica synchronized up to a second before it sends it anything: promoted, that one is empty.
        if not master.is_replicated(len(running)):
            return f"{master!r} has replicas that lag behind"
        return None


def _master_port(sentinel: Server) -> int:
    address = sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    assert isinstance(address, list)
    assert isinstance(address[1], bytes)
    return int(address[1])


def _rows(sentinel: Server, what: str) -> list[dict[str, str]]:
    listed: Any = sentinel.command("SENTINEL", what, SERVICE)
    return [{name.decode(): value.decode() for name, value in zip(row[::2], row[1::2], strict=True)} for row in listed]
