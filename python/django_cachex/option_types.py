"""The type of ``OPTIONS``, for settings modules that are type-checked. Nothing here imports it: it costs time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Options"]


class Options(TypedDict, total=False):
    """The keys of a ``CACHES`` entry's ``OPTIONS``."""

    serializer: Any
    compressor: Any
    pool_class: str | type[Any] | None
    async_pool_class: str | type[Any] | None
    parser_class: Any
    sentinels: list[tuple[str, int] | str]
    sentinel_kwargs: dict[str, Any]
    read_from_replicas: bool
    address_remap: str | Callable[[str, int], tuple[str, int]] | None
    on_undecodable: Literal["raise", "miss"]
    stampede_prevention: Any
    MAX_ENTRIES: Any
    CULL_FREQUENCY: Any

    username: str | None
    password: str | None
    credential_provider: Any
    db: int | str
    socket_connect_timeout: float | None
    socket_timeout: float | None
    operation_timeout: float | None
    socket_keepalive: bool
    socket_keepalive_options: dict[int, int] | None
    tcp_user_timeout: float | None
    retry: Any
    retry_on_timeout: bool
    retry_backoff: tuple[float, float]
    reconnect_backoff: tuple[float, float]
    health_check_interval: float
    max_connections: int | None
    timeout: float | None
    max_in_flight: int
    max_value_size: int | None
    max_decompressed_size: int | None
    max_redirects: int
    topology_refresh_interval: float
    client_name: str | None
    protocol: Literal[2, 3] | None
    lib_name: str | None
    lib_version: str | None
    driver_info: Any
    ssl: bool
    ssl_ca_certs: Any
    ssl_ca_path: Any
    ssl_ca_data: str | bytes | None
    ssl_certfile: Any
    ssl_keyfile: Any
    ssl_password: str | None
    ssl_cert_reqs: Any
    ssl_check_hostname: bool
    ssl_min_version: Any
    ssl_ciphers: str | None
    encoding: str
    decode_responses: bool
