"""Sorted sets: members with scores, in their order."""

# ruff: noqa: D417 - the class says what `key` and `version` are

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django_cachex.commands.base import Commands
from django_cachex.commands.command import Command, aio, command
from django_cachex.commands.overloads import adding, ranging, ranging_back, scored, scored_back
from django_cachex.commands.replies import integer, items, number

if TYPE_CHECKING:
    from django_cachex.commands.arguments import Score

__all__ = ["SortedSetCommands"]


class SortedSetCommands(Commands):
    """Sorted sets. The order is that of the scores; members of equal score are ordered as they are stored.

    *key* and *version* are those of the sorted set; a missing one is empty.

    Scores are numbers, or text that the server reads as one (``"1.5"``, ``"-inf"``); it refuses any other text, and not
    a number (NaN), with ``ResponseError``. Limits may also be exclusive: ``"(5"``.
    """

    @adding
    @command("ZADD", write=True)
    def zadd(
        self,
        key: str,
        mapping: Mapping[Any, Score],
        *,
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: bool = False,
        gt: bool = False,
        lt: bool = False,
        version: int | None = None,
    ) -> Command[int | float | None]:
        """Add members, or give them other scores (ZADD).

        Args:
            mapping: scores by member, at least one.
            nx: only add members.
            xx: only change scores.
            ch: count changed members too.
            incr: add the score to the one that the only member has.
            gt: change a score only if it grows; new members are added.
            lt: change a score only if it shrinks; new members are added.

        Returns:
            How many members were added, with *ch* added or changed; with *incr* the new score, or ``None`` if another
            flag prevented it.

        Raises:
            ValueError: *mapping* is empty, or has several members with *incr*; *nx* together with *xx*, *gt* or *lt*;
                *gt* together with *lt*.
        """
        if type(mapping) is not dict and not isinstance(mapping, Mapping):
            raise TypeError(f"a mapping of members to scores was expected, not {type(mapping).__name__}")
        if not mapping:
            raise ValueError("at least one member is needed")
        words: list[Any] = []
        if nx or xx or ch or incr or gt or lt:
            if (nx and (xx or gt or lt)) or (gt and lt):
                raise ValueError("nx excludes xx, gt and lt; gt and lt exclude each other")
            if incr and len(mapping) > 1:
                raise ValueError("incr takes one member")
            flags = {"NX": nx, "XX": xx, "GT": gt, "LT": lt, "CH": ch, "INCR": incr}
            words += [flag for flag, wanted in flags.items() if wanted]
        encode = self._encode
        for member, score in mapping.items():
            words.append(score if type(score) in _PLAIN else _sent(score))
            words.append(encode(member))
        return Command.of(_score if incr else integer, self._key(key, version), words)

    azadd = aio(zadd)

    @command("ZREM", write=True)
    def zrem(self, key: str, *members: Any, version: int | None = None) -> Command[int]:
        """Remove *members*, at least one; return how many there were (ZREM)."""
        return Command.of(integer, self._key(key, version), self._encode_all(members))

    azrem = aio(zrem)

    @command("ZCARD")
    def zcard(self, key: str, version: int | None = None) -> Command[int]:
        """Return how many members there are (ZCARD)."""
        return Command(integer, self._key(key, version))

    azcard = aio(zcard)

    @command("ZCOUNT")
    def zcount(self, key: str, min_score: Score, max_score: Score, version: int | None = None) -> Command[int]:
        """Return how many members have a score between the limits (ZCOUNT)."""
        return Command(integer, self._key(key, version), _sent(min_score), _sent(max_score))

    azcount = aio(zcount)

    @command("ZINCRBY", write=True)
    def zincrby(self, key: str, amount: Score, member: Any, version: int | None = None) -> Command[float]:
        """Add *amount* to the score of *member*, 0 if it is new; return the new score (ZINCRBY)."""
        return Command(number, self._key(key, version), _sent(amount), self._encode(member))

    azincrby = aio(zincrby)

    @command("ZSCORE")
    def zscore(self, key: str, member: Any, version: int | None = None) -> Command[float | None]:
        """Return the score of *member*, ``None`` if it is not there (ZSCORE)."""
        return Command(_score, self._key(key, version), self._encode(member))

    azscore = aio(zscore)

    @command("ZMSCORE")
    def zmscore(self, key: str, *members: Any, version: int | None = None) -> Command[list[float | None]]:
        """Return the scores of *members*, at least one, with ``None`` for those not there (ZMSCORE)."""
        stored = self._encode_all(members)
        return Command.of(lambda reply: list(map(_score, items(reply, len(stored)))), self._key(key, version), stored)

    azmscore = aio(zmscore)

    @command("ZRANK")
    def zrank(self, key: str, member: Any, version: int | None = None) -> Command[int | None]:
        """Return the rank of *member*, 0 for the lowest score; ``None`` if it is not there (ZRANK)."""
        return Command(_rank, self._key(key, version), self._encode(member))

    azrank = aio(zrank)

    @command("ZREVRANK")
    def zrevrank(self, key: str, member: Any, version: int | None = None) -> Command[int | None]:
        """Return the rank of *member*, 0 for the highest score; ``None`` if it is not there (ZREVRANK)."""
        return Command(_rank, self._key(key, version), self._encode(member))

    azrevrank = aio(zrevrank)

    @ranging
    @command("ZRANGE")
    def zrange(
        self,
        key: str,
        start: int,
        end: int,
        *,
        desc: bool = False,
        withscores: bool = False,
        version: int | None = None,
    ) -> Command[list[Any]]:
        """Return members by rank (ZRANGE).

        Args:
            start: the first rank; negative counts from the end.
            end: the last rank, included; negative counts from the end.
            desc: rank 0 is the highest score, not the lowest.
            withscores: return pairs of member and score.

        Returns:
            Members, or ``(member, score)`` tuples, by rank.
        """
        return self._range(key, version, start, end, *(["REV"] if desc else []), withscores=withscores)

    azrange = aio(zrange)

    @ranging_back
    @command("ZREVRANGE")
    def zrevrange(
        self, key: str, start: int, end: int, *, withscores: bool = False, version: int | None = None
    ) -> Command[list[Any]]:
        """Return members by rank, highest score first; see ``zrange`` (ZREVRANGE)."""
        return self._range(key, version, start, end, withscores=withscores)

    azrevrange = aio(zrevrange)

    @scored
    @command("ZRANGEBYSCORE")
    def zrangebyscore(
        self,
        key: str,
        min_score: Score,
        max_score: Score,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: int | None = None,
    ) -> Command[list[Any]]:
        """Return the members with a score between the limits (ZRANGEBYSCORE).

        Args:
            min_score: the lower limit.
            max_score: the upper limit.
            withscores: return pairs of member and score.
            start: how many members to skip; together with *num*.
            num: how many members to return at most, all if negative; together with *start*.

        Returns:
            Members, or ``(member, score)`` tuples, lowest score first.

        Raises:
            ValueError: only one of *start* and *num* is given.
        """
        limits = _sent(min_score), _sent(max_score)
        return self._range(key, version, *limits, *_slice(start, num), withscores=withscores)

    azrangebyscore = aio(zrangebyscore)

    @scored_back
    @command("ZREVRANGEBYSCORE")
    def zrevrangebyscore(
        self,
        key: str,
        max_score: Score,
        min_score: Score,
        *,
        withscores: bool = False,
        start: int | None = None,
        num: int | None = None,
        version: int | None = None,
    ) -> Command[list[Any]]:
        """Return the members with a score between the limits, highest first; see ``zrangebyscore`` (ZREVRANGEBYSCORE).

        The upper limit comes first.
        """
        limits = _sent(max_score), _sent(min_score)
        return self._range(key, version, *limits, *_slice(start, num), withscores=withscores)

    azrevrangebyscore = aio(zrevrangebyscore)

    @command("ZREMRANGEBYRANK", write=True)
    def zremrangebyrank(self, key: str, start: int, end: int, version: int | None = None) -> Command[int]:
        """Remove the members from rank *start* to rank *end*, both included; return how many (ZREMRANGEBYRANK)."""
        return Command(integer, self._key(key, version), start, end)

    azremrangebyrank = aio(zremrangebyrank)

    @command("ZREMRANGEBYSCORE", write=True)
    def zremrangebyscore(
        self, key: str, min_score: Score, max_score: Score, version: int | None = None
    ) -> Command[int]:
        """Remove the members with a score between the limits; return how many (ZREMRANGEBYSCORE)."""
        return Command(integer, self._key(key, version), _sent(min_score), _sent(max_score))

    azremrangebyscore = aio(zremrangebyscore)

    @command("ZPOPMIN", write=True)
    def zpopmin(
        self, key: str, count: int | None = None, version: int | None = None
    ) -> Command[list[tuple[Any, float]]]:
        """Remove the members with the lowest scores (ZPOPMIN).

        Args:
            count: how many at most; ``None`` is one.

        Returns:
            ``(member, score)`` tuples, lowest score first.
        """
        return self._outermost(key, count, version)

    azpopmin = aio(zpopmin)

    @command("ZPOPMAX", write=True)
    def zpopmax(
        self, key: str, count: int | None = None, version: int | None = None
    ) -> Command[list[tuple[Any, float]]]:
        """Remove the members with the highest scores, highest first; see ``zpopmin`` (ZPOPMAX)."""
        return self._outermost(key, count, version)

    azpopmax = aio(zpopmax)

    def _range(self, key: str, version: int | None, *args: Any, withscores: bool) -> Command[list[Any]]:
        if withscores:
            return Command(self._pairs, self._key(key, version), *args, "WITHSCORES")
        return Command(self._values, self._key(key, version), *args)

    def _outermost(self, key: str, count: int | None, version: int | None) -> Command[list[tuple[Any, float]]]:
        return Command(self._pairs, self._key(key, version), *(() if count is None else (count,)))

    def _pairs(self, reply: Any) -> list[tuple[Any, float]]:
        # RESP3 nests them, but for one popped pair.
        found = items(reply)
        if found and isinstance(found[0], list):
            found = [part for pair in found for part in items(pair, 2)]
        items(found, len(found) // 2 * 2)
        return [(self._value(found[at]), number(found[at + 1])) for at in range(0, len(found), 2)]


_PLAIN = frozenset({int, float, str})


def _sent(score: Any) -> Score:
    if isinstance(score, float):
        # The text of a subclass may be anything.
        return float(score)
    if not isinstance(score, (int, str)) or isinstance(score, bool):
        raise TypeError(f"a number was expected as score, not {type(score).__name__}")
    return score


def _slice(start: int | None, num: int | None) -> tuple[Any, ...]:
    if start is None and num is None:
        return ()
    if start is None or num is None:
        raise ValueError("start and num go together")
    return "LIMIT", start, num


def _score(reply: Any) -> float | None:
    return None if reply is None else number(reply)


def _rank(reply: Any) -> int | None:
    return None if reply is None else integer(reply)
