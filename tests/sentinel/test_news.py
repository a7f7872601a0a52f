"""What the sentinels tell unasked: a failover in order, of which no error tells for a while."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.outcomes import eventually
from tests.sentinel.fake import FakeSentinel
from tests.sentinel_servers import SERVICE
from tests.servers import free_port
from tests.tls_front import TlsFront

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.caller import Caller
    from tests.certificates import Certificates
    from tests.sentinel_servers import SentinelSet
    from tests.servers import Server


def told_to(sentinels: list[Server], name: str) -> int:
    """Return how many connections of this client name are told of what happens."""
    clients = [client for sentinel in sentinels for client in sentinel.clients()]
    return sum(client["name"] == name and client["sub"] == "2" for client in clients)


def address(server: Server) -> tuple[str, int]:
    return "127.0.0.1", server.port


def has_listeners(fake: FakeSentinel, count: int) -> bool:
    return fake.listeners == count


def begin(cache: Any, call: Caller, *fakes: FakeSentinel) -> None:
    """Send a first command, and wait until one of the sentinels has its subscriber."""
    call(cache.set, "k", 1)
    assert eventually(lambda: sum(fake.listeners for fake in fakes) == 1)


def of(server: Server) -> str:
    return f"127.0.0.1 {server.port}"


def all_know(sentinel_set: SentinelSet, old: Server) -> bool:
    """Whether all sentinels give the same master, and another one."""
    known = {str(each.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)) for each in sentinel_set.sentinels}
    return len(known) == 1 and str(old.port) not in known.pop()


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_old_master_takes_no_more_writes(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller, protocol: int
) -> None:
    """It does not know yet that it is a replica, and would take them."""
    cache = make_cache(sentinel_kwargs={"protocol": protocol})
    for number in range(5):
        call(cache.set, "k", number)
        old = sentinel_set.master()
        sentinel_set.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
        assert eventually(functools.partial(all_know, sentinel_set, old))
        # We look now and then, and a message has a way to go.
        time.sleep(0.1)
        call(cache.incr, "k", 100)
        found = old.command("GET", cache.make_key("k"))
        would_take_writes = old.info("replication")["role"] == "master"
        sentinel_set.settle()
        assert sentinel_set.master().command("GET", cache.make_key("k")) == b"%d" % (number + 100)
        if would_take_writes:
            assert found == b"%d" % number
            return
    pytest.fail("each time the old master was a replica before we could look")


def test_one_subscription_for_all_callers(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller
) -> None:
    name = f"one-{call.mode}"
    options = {"client_name": name, "sentinel_kwargs": {"client_name": name}}
    for cache in (make_cache(**options), make_cache(**options)):
        call(cache.set, "k", 1)
    assert eventually(lambda: told_to(sentinel_set.sentinels, name) == 1)


def test_the_sentinel_that_tells_goes(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    """Another one tells from then on."""
    name = f"gone-{call.mode}"
    cache = make_cache(client_name=name, sentinel_kwargs={"client_name": name})
    call(cache.set, "k", 1)
    telling = next(each for each in sentinel_set.sentinels if told_to([each], name))
    others = [each for each in sentinel_set.sentinels if each is not telling]
    telling.kill()
    try:
        assert eventually(lambda: call(cache.incr, "k") > 1 and told_to(others, name) == 1)
    finally:
        sentinel_set.start_sentinel(telling)


def test_a_child_is_told_itself(sentinel_set: SentinelSet, make_cache: Callable[..., Any]) -> None:
    name = "forks"
    cache = make_cache(client_name=name, sentinel_kwargs={"client_name": name})
    cache.set("k", 1)
    assert told_to(sentinel_set.sentinels, name) == 1
    if (child := os.fork()) == 0:
        signal.alarm(30)
        try:
            eventually(lambda: cache.incr("k") < 0, seconds=20)
        finally:
            os._exit(0)
    try:
        assert eventually(lambda: told_to(sentinel_set.sentinels, name) == 2)
        assert cache.incr("k") > 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert eventually(lambda: told_to(sentinel_set.sentinels, name) == 1), "the parent's is still there"


def test_what_is_about_others(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    master, replica = sentinel_set.master(), sentinel_set.replicas()[0]
    with FakeSentinel(address(master)) as fake:
        cache = make_cache(sentinels=[fake.address], client_name=f"others-{call.mode}")
        begin(cache, call, fake)
        # A word of ours is in them, but not where the service stands.
        for channel, message in [
            ("+switch-master", f"not-{SERVICE} {of(master)} {of(replica)}"),
            ("+switch-master", f"other {SERVICE} 1 {of(replica)}"),
            ("+promoted-slave", f"slave {SERVICE} {of(replica)} @ other {of(master)}"),
            ("+promoted-slave", "slave"),
            ("+switch-master", ""),
        ]:
            fake.tell(channel, message)
            time.sleep(0.05)
            call(cache.incr, "k")
            assert fake.asked == 1


@pytest.mark.parametrize("channel", ["+switch-master", "+promoted-slave"])
def test_what_is_about_us(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller, channel: str
) -> None:
    master, replica = sentinel_set.master(), sentinel_set.replicas()[0]
    gone = free_port()
    message = {
        "+switch-master": f"{SERVICE} 127.0.0.1 {gone} {of(replica)}",
        "+promoted-slave": f"slave {replica.port} {of(replica)} @ {SERVICE} 127.0.0.1 {gone}",
    }
    with FakeSentinel(address(master)) as fake:
        cache = make_cache(sentinels=[fake.address], client_name=f"us-{call.mode}")
        for times in (1, 2, 3):
            call(cache.set, "k", 1)
            assert fake.asked == times
            assert eventually(functools.partial(has_listeners, fake, times))
            fake.tell(channel, message[channel])
            time.sleep(0.05)


def test_news_over_tls(
    start_server: Callable[..., Server], make_cache: Callable[..., Any], certificates: Certificates, call: Caller
) -> None:
    old, new = start_server(), start_server()
    with FakeSentinel(address(old)) as fake:
        port = free_port()
        front = TlsFront(port, fake.address[1], certificates, certificates.server)
        tls = {"ssl": True, "ssl_ca_certs": str(certificates.ca)}
        with contextlib.closing(front):
            cache = make_cache(sentinels=[("127.0.0.1", port)], sentinel_kwargs=tls, client_name=f"tls-{call.mode}")
            begin(cache, call, fake)
            fake.master = address(new)
            fake.tell("+switch-master", f"other {of(old)} {of(new)}")
            fake.tell("+switch-master", f"{SERVICE} {of(old)} {of(new)}")
            time.sleep(0.05)
            call(cache.set, "k", 2)
    assert len(front.sessions) == 2
    assert new.command("GET", cache.make_key("k")) == b"2"
    assert old.command("GET", cache.make_key("k")) == b"1"


def test_what_is_known_already(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    master, replica = sentinel_set.master(), sentinel_set.replicas()[0]
    with FakeSentinel(address(master)) as fake:
        cache = make_cache(sentinels=[fake.address], client_name=f"known-{call.mode}")
        begin(cache, call, fake)
        for _ in range(3):
            fake.tell("+switch-master", f"{SERVICE} {of(replica)} {of(master)}")
            time.sleep(0.05)
            call(cache.incr, "k")
        assert fake.asked == 1


@pytest.mark.parametrize("service", ["cachex-service", "slave"])
def test_sentinels_that_have_not_heard(
    start_server: Callable[..., Server], make_cache: Callable[..., Any], call: Caller, service: str
) -> None:
    """Who has told of a new master is believed, and not those who still name the old one."""
    old, new = start_server(), start_server()
    for attempt in range(6):
        with contextlib.ExitStack() as stack:
            fakes = [stack.enter_context(FakeSentinel(address(old))) for _ in range(3)]
            cache = make_cache(
                f"redis://{service}",
                sentinels=[fake.address for fake in fakes],
                client_name=f"behind-{service}-{call.mode}-{attempt}",
            )
            call(cache.set, "k", attempt)
            assert old.command("GET", cache.make_key("k")) == b"%d" % attempt
            assert eventually(lambda fakes=fakes: any(fake.listeners for fake in fakes))  # type: ignore[misc]
            leader = next(fake for fake in fakes if fake.listeners)
            leader.master = address(new)
            leader.tell("+promoted-slave", f"slave {new.port} {of(new)} @ {service} {of(old)}")
            time.sleep(0.05)
            call(cache.set, "k", attempt + 100)
            assert new.command("GET", cache.make_key("k")) == b"%d" % (attempt + 100)
            assert old.command("GET", cache.make_key("k")) == b"%d" % attempt


def test_a_child_does_not_rely_on_what_its_parent_was_told(
    start_server: Callable[..., Server], make_cache: Callable[..., Any]
) -> None:
    """The parent has not looked yet, and the child cannot."""
    old, new = start_server(), start_server()
    with FakeSentinel(address(old)) as fake:
        cache = make_cache(sentinels=[fake.address], client_name="idle-parent")
        cache.set("k", 1)
        assert eventually(lambda: fake.listeners == 1)
        fake.master = address(new)
        fake.tell("+switch-master", f"{SERVICE} {of(old)} {of(new)}")
        if (child := os.fork()) == 0:
            signal.alarm(30)
            try:
                cache.set("k", 2)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert new.command("GET", cache.make_key("k")) == b"2"
        assert old.command("GET", cache.make_key("k")) == b"1"


def test_rights_that_are_enough(start_sentinel_set: Callable[..., SentinelSet], make_cache: Callable[..., Any]) -> None:
    """Those that the documentation names."""
    whole = start_sentinel_set()
    questions = [f"+sentinel|{name}" for name in ("get-master-addr-by-name", "replicas", "sentinels")]
    rights = ["-@all", "+@connection", *questions, "+subscribe", "resetchannels", "&+switch-master", "&+promoted-slave"]
    for sentinel in whole.sentinels:
        sentinel.command("ACL", "SETUSER", "exact", "on", "nopass", *rights)
    cache = make_cache(on=whole, sentinel_kwargs={"username": "exact", "password": "x", "client_name": "exact"})
    cache.set("k", 1)
    assert eventually(lambda: told_to(whole.sentinels, "exact") == 1)


def test_who_may_not_subscribe(start_sentinel_set: Callable[..., SentinelSet], make_cache: Callable[..., Any]) -> None:
    """Such a user is served as ever; the next error tells of a failover."""
    whole = start_sentinel_set()
    for sentinel in whole.sentinels:
        sentinel.command("ACL", "SETUSER", "deaf", "on", "nopass", "resetchannels", "+@all", "-subscribe")
    cache = make_cache(on=whole, sentinel_kwargs={"username": "deaf", "password": "x", "client_name": "deaf"})
    cache.set("k", 1)
    connections = [client["addr"] for each in whole.sentinels for client in each.clients() if client["name"] == "deaf"]
    assert len(connections) == 1
    for number in range(2, 52):
        assert cache.incr("k") == number
        time.sleep(0.01)
    assert told_to(whole.sentinels, "deaf") == 0
    clients = [client for each in whole.sentinels for client in each.clients()]
    assert [client["addr"] for client in clients if client["name"] == "deaf"] == connections, "nobody was asked again"
    whole.failover()
    assert cache.incr("k") == 52


def test_a_sentinel_that_hangs_up(sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller) -> None:
    """The only one, and it does so at once: it is not asked again and again."""
    with FakeSentinel(address(sentinel_set.master()), hangs_up=True) as fake:
        cache = make_cache(sentinels=[("127.0.0.1", free_port()), fake.address], client_name=f"hangs-{call.mode}")
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            call(cache.set, "k", 1)
        assert fake.asked <= 2


def test_only_the_last_of_old_news_is_true(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller
) -> None:
    """Who has not looked for long finds failovers that others have followed, back to the master that he knows."""
    master, replica = sentinel_set.master(), sentinel_set.replicas()[0]
    with FakeSentinel(address(master)) as fake:
        cache = make_cache(sentinels=[fake.address], client_name=f"late-{call.mode}")
        begin(cache, call, fake)
        fake.tell("+switch-master", f"{SERVICE} {of(master)} {of(replica)}")
        fake.tell("+switch-master", f"{SERVICE} {of(replica)} {of(master)}")
        time.sleep(0.05)
        assert call(cache.incr, "k") == 2
        assert fake.asked == 1


def test_all_sentinels_together_know_better(
    sentinel_set: SentinelSet, make_cache: Callable[..., Any], call: Caller
) -> None:
    """One has told that the master is none any more, and now all of them, itself included, name it."""
    master, replica = sentinel_set.master(), sentinel_set.replicas()[0]
    with FakeSentinel(address(master)) as fake, FakeSentinel(address(master)) as other:
        cache = make_cache(sentinels=[fake.address, other.address], client_name=f"mistaken-{call.mode}")
        begin(cache, call, fake, other)
        for each in (fake, other):
            each.tell("+switch-master", f"{SERVICE} {of(master)} {of(replica)}")
        time.sleep(0.05)
        assert call(cache.incr, "k") == 2
