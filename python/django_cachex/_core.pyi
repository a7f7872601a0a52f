from asyncio import Future
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from django.core.cache.backends.base import BaseCache

from django_cachex.client.driver_info import DriverInfo as DriverInfo
from django_cachex.client.raw import AsyncRedis as AsyncRedis
from django_cachex.client.raw import AsyncRedisCluster as AsyncRedisCluster
from django_cachex.client.raw import AsyncValkey as AsyncValkey
from django_cachex.client.raw import AsyncValkeyCluster as AsyncValkeyCluster
from django_cachex.client.raw import Redis as Redis
from django_cachex.client.raw import RedisCluster as RedisCluster
from django_cachex.client.raw import Valkey as Valkey
from django_cachex.client.raw import ValkeyCluster as ValkeyCluster
from django_cachex.exceptions import CacheConnectionError, CacheTimeoutError
from django_cachex.exceptions import ResponseError as ResponseError
from django_cachex.pools import AsyncBlockingConnectionPool as AsyncBlockingConnectionPool
from django_cachex.pools import AsyncConnectionPool as AsyncConnectionPool
from django_cachex.pools import BlockingConnectionPool as BlockingConnectionPool
from django_cachex.pools import ConnectionPool as ConnectionPool

__all__ = [
    "Batch",
    "BoundConnection",
    "Codec",
    "Command",
    "Engine",
    "KeyMaker",
    "Server",
    "Shortcut",
    "Shortcuts",
    "Spec",
    "Tls",
    "Values",
    "__version__",
    "compress",
    "compression_levels",
    "decompress",
]

# redis-py's names.
ConnectionError = CacheConnectionError  # noqa: A001
TimeoutError = CacheTimeoutError  # noqa: A001

__version__: str

@final
class Tls:
    def __new__(
        cls,
        *,
        ca_certs: str | None = None,
        ca_path: str | None = None,
        ca_data: str | bytes | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        key_password: str | None = None,
        verify: str = "required",
        check_hostname: bool = True,
        min_version: str = "1.2",
        ciphers: Sequence[str] | None = None,
    ) -> Tls: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class Server:
    def __new__(
        cls,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        db: int = 0,
        username: str | None = None,
        password: str | None = None,
        credentials: Callable[[], object] | None = None,
        prepare: Callable[[], object] | None = None,
        on_connect: Callable[[Any], object] | None = None,
        connect_timeout: float | None = None,
        socket_timeout: float | None = None,
        operation_timeout: float | None = None,
        keepalive: Sequence[tuple[int, int]] | None = None,
        tcp_user_timeout: float | None = None,
        retry: int = 1,
        retry_on_timeout: bool = False,
        retry_backoff: tuple[float, float] = ...,
        reconnect_backoff: tuple[float, float] = ...,
        health_check_interval: float = 0.0,
        max_connections: int | None = None,
        pool_timeout: float | None = None,
        pool_blocking: bool = False,
        max_in_flight: int = 1000,
        max_value_size: int | None = None,
        client_name: str | None = None,
        protocol: int | None = None,
        lib_name: str | None = None,
        lib_version: str | None = None,
        tls: Tls | None = None,
    ) -> Server: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def disconnect(self, *, alike: bool = False) -> None: ...
    def release_loop(self, *, alike: bool = False) -> None: ...

@final
class Spec:
    def __new__(
        cls,
        name: str,
        *,
        write: bool,
        repeatable: bool | None = None,
        keys: tuple[int, int, int] | str | None = None,
        split: str | None = None,
        everywhere: str | None = None,
    ) -> Spec: ...
    @property
    def name(self) -> str: ...
    @property
    def write(self) -> bool: ...
    @property
    def repeatable(self) -> bool: ...
    @property
    def keys(self) -> tuple[int, int, int] | str: ...
    def keys_of(self, args: tuple[Any, ...], /) -> list[Any]: ...

@final
class Command[R]:
    def __new__(
        cls,
        reply: Callable[[Any], R],
        *args: Any,
        spec: Spec | None = None,
        refused: Callable[[ResponseError], Exception] | None = None,
        at: int | None = None,
        wait: float | None = None,
    ) -> Command[R]: ...
    @staticmethod
    def of[T](reply: Callable[[Any], T], key: Any, words: tuple[Any, ...] | list[Any], /) -> Command[T]: ...
    def __class_getitem__(cls, _item: object) -> type[Command[Any]]: ...
    @property
    def reply(self) -> Callable[[Any], R]: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def spec(self) -> Spec | None: ...
    @property
    def refused(self) -> Callable[[ResponseError], Exception] | None: ...
    @property
    def at(self) -> int | None: ...
    @property
    def wait(self) -> float | None: ...

@final
class Batch:
    def push(self, *commands: tuple[Spec, tuple[Any, ...]]) -> None: ...
    def call(self, spec: Spec, built: Command[Any], /) -> None: ...
    def call_several(
        self,
        name: str,
        reply: Callable[[list[Any]], Any],
        commands: tuple[tuple[Spec, tuple[Any, ...]], ...],
        /,
        *,
        together: bool,
    ) -> None: ...
    def results(self, replies: list[Any], raise_on_error: bool, /) -> list[Any]: ...
    @property
    def calls(self) -> int: ...
    def clear(self) -> None: ...
    def __len__(self, /) -> int: ...

@final
class Codec:
    def __new__(cls, serializers: Iterable[Any], compressors: Iterable[Any], limit: int | None) -> Codec: ...
    def encode(self, value: Any) -> int | bytes: ...
    def decode(self, data: int | bytes) -> Any: ...

@final
class Engine:
    def __new__(cls, servers: Sequence[Server]) -> Engine: ...
    @classmethod
    def cluster(
        cls,
        seeds: Sequence[Server],
        *,
        read_from_replicas: bool,
        address_remap: Callable[[str, int], tuple[str, int]] | None,
        max_redirects: int,
        topology_refresh_interval: float,
    ) -> Engine: ...
    @classmethod
    def sentinel(
        cls,
        service: str,
        sentinels: Sequence[Server],
        server: Server,
        *,
        address_remap: Callable[[str, int], tuple[str, int]] | None,
    ) -> Engine: ...
    def call(self, spec: Spec, args: tuple[Any, ...], at: int | None = None, wait: float | None = None, /) -> Any: ...
    def run[R](self, spec: Spec, built: Command[R], /) -> R: ...
    def start(self, spec: Spec, built: Command[Any], /) -> Future[Any]: ...
    def send(
        self, spec: Spec, args: tuple[Any, ...], at: int | None = None, wait: float | None = None, /
    ) -> Future[Any]: ...
    def batch(self) -> Batch: ...
    def call_batch(self, batch: Batch, transaction: bool, spread: bool = False, /) -> list[Any]: ...
    def send_batch(self, batch: Batch, transaction: bool, spread: bool = False, /) -> Future[list[Any]]: ...
    @property
    def sharded(self) -> bool: ...

@final
class BoundConnection:
    def call(self, spec: Spec, args: tuple[Any, ...]) -> Any: ...

@final
class KeyMaker:
    def __new__(cls, base: type[BaseCache], key_func: Callable[..., str]) -> KeyMaker: ...
    def make_and_validate(self, cache: BaseCache, key: Any, version: Any, /) -> str: ...

@final
class Reading[R]:
    def __call__(self, reply: Any, /) -> R: ...

as_is: Reading[Any]
done: Reading[bool]
flag: Reading[bool]
integer: Reading[int]

@final
class Unread:
    def result(self) -> Any: ...

@final
class Shortcuts:
    def __new__(
        cls,
        keys: KeyMaker,
        cache: type[BaseCache],
        client: type[Any],
        *,
        get: Spec,
        set: Spec,
        mget: Spec,
        mset: Spec,
        incr: tuple[Spec, Callable[[], str]],
    ) -> Shortcuts: ...
    def of(self, client: object, engine: Engine, async_engine: Engine, codec: Codec) -> Shortcut: ...
    def before(self, client: type[Any], engine: Engine, async_engine: Engine, codec: Codec, /) -> Shortcut: ...
    def closed(self) -> Shortcut: ...

@final
class Shortcut:
    def get(self, cache: BaseCache, key: Any, default: Any, version: Any, /) -> Any: ...
    def send_get(self, cache: BaseCache, key: Any, default: Any, version: Any, /) -> Future[Any] | None: ...
    def values(self, cache: object, /) -> Values: ...
    def queue_get(
        self, batch: Batch, cache: BaseCache, key: Any, version: Any, reply: Callable[[Any], Any] | None, /
    ) -> bool: ...
    def queue_set(
        self,
        batch: Batch,
        cache: BaseCache,
        key: Any,
        value: Any,
        timeout: object,
        version: Any,
        reply: Callable[[Any], Any],
        /,
    ) -> bool: ...
    def found(self, cache: BaseCache, default: Any, /) -> Reading[Any] | None: ...
    def set(self, cache: BaseCache, key: Any, value: Any, timeout: object, version: Any, /) -> bool: ...
    def send_set(
        self, cache: BaseCache, key: Any, value: Any, timeout: object, version: Any, /
    ) -> Future[Any] | None: ...
    def send_incr(self, cache: BaseCache, key: Any, delta: Any, version: Any, /) -> Future[Any] | None: ...
    def get_many(self, cache: BaseCache, keys: list[Any], version: Any, /) -> dict[Any, Any]: ...
    def send_get_many(self, cache: BaseCache, keys: list[Any], version: Any, /) -> Future[Any] | None: ...
    def found_many(self, cache: BaseCache, replies: Any, keys: list[Any], /) -> dict[Any, Any]: ...
    def set_many(self, cache: BaseCache, data: dict[Any, Any], timeout: object, version: Any, /) -> Any: ...
    def send_set_many(
        self, cache: BaseCache, data: dict[Any, Any], timeout: object, version: Any, /
    ) -> Future[Any] | None: ...

@final
class Values:
    def key(self, key: Any, version: Any = None, /) -> str: ...
    def encode(self, value: Any, /) -> int | bytes: ...
    def encode_all(self, values: tuple[Any, ...], /) -> tuple[int | bytes, ...]: ...
    @property
    def one(self) -> Reading[Any]: ...
    def all(self, reply: Any, /) -> list[Any]: ...

def _panic_next(point: str) -> None: ...
def compress(format: str, level: int, data: bytes, /) -> bytes: ...
def decompress(format: str, data: bytes, limit: int | None, /) -> bytes: ...
def compression_levels(format: str, /) -> tuple[int, int]: ...
