"""Ops that put jobs into queues and into the schedule set, and those that look into queues, pause and clear them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from msgspec import Struct

from redisjobs.config import DeadSetConfig
from redisjobs.store.keys import Keys
from redisjobs.store.op import Op, Together, command, texts

GUARD_TTL_S = 600  # far longer than any producer goes on asking


class Producer(Struct):
    """Who pushes, and the number of its last push: how Redis knows a push that it is asked for again.

    One thread or coroutine uses it at a time, and lets go of it when its push was answered.
    """

    name: str
    number: int = 0


class Where(Struct, frozen=True):
    """Where in a queue to look for jobs: `start` from the end of the next one, `span` of them; 0: anywhere."""

    start: int = 0
    span: int = 0

    @property
    def wider(self) -> Where:
        """The same, and nearer to that end: workers take from there, so that what stands here moves there."""
        more = min(self.start, 10 * self.span)
        return Where(self.start - more, self.span + more)


ANYWHERE = Where()


def push(keys: Keys, queue: str, payloads: Sequence[bytes], *, producer: Producer) -> Op[bool]:
    """Put jobs into a queue, the first to run first. False if this push had been stored before.

    Safe to send twice: the producer's number is stored along, and a push with that number adds nothing.
    """
    producer.number += 1
    return Op(
        "push",
        keys=(keys.queue(queue), keys.pushed(keys.queue(queue), producer.name), keys.queues),
        args=(queue, producer.number, GUARD_TTL_S, *payloads),
        decode=bool,
    )


def schedule(keys: Keys, jobs: Iterable[tuple[str, bytes]], *, producer: Producer, before: int = 0) -> Op[bool]:
    """Put jobs into the schedule set; each is when (Unix seconds as text, `+` before them: from now) and payload.

    Of those for one moment the first runs first: each is a microsecond later, but where scores must be whole seconds.
    `before` went in an earlier request.

    Safe to send twice: see `push`.
    """
    producer.number += 1
    return Op(
        "schedule",
        keys=(keys.schedule, keys.pushed(keys.schedule, producer.name)),
        args=(producer.number, GUARD_TTL_S, before, int(keys.wire == "verk"), *(part for job in jobs for part in job)),
        decode=bool,
    )


def names(keys: Keys) -> Op[list[str]]:
    """Read the names of all queues. Safe to send twice: it only reads.

    Names are any bytes; what is no UTF-8 comes as surrogate escapes, and goes back as the bytes it was.
    """
    return command("SMEMBERS", keys.queues, decode=texts)


def paused(keys: Keys) -> Op[list[str]]:
    """Read the names of the queues that nobody may take from. Safe to send twice: it only reads."""
    return command("SMEMBERS", keys.paused, decode=texts)


def size(keys: Keys, queue: str) -> Op[int]:
    """Count the jobs of a queue. Safe to send twice: it only reads."""
    return command("LLEN", keys.queue(queue), decode=int)


def oldest(keys: Keys, queue: str) -> Op[bytes | None]:
    """Read the job that runs next, None if there is none. Safe to send twice: it only reads."""
    return command("LINDEX", keys.queue(queue), -1 if keys.next_end == "R" else 0)


def page(keys: Keys, queue: str, *, start: int, stop: int) -> Together:
    """Read how many jobs a queue has, and those from `start` to `stop` (included), newest first.

    Safe to send twice: it only reads.
    """
    key = keys.queue(queue)
    some: Op[list[bytes]] = command("LRANGE", key, start, stop)
    if keys.last_end == "R":
        some = command("LRANGE", key, -stop - 1, -start - 1, decode=lambda found: found[::-1])
    return Together((command("LLEN", key, decode=int), some), atomic=True)


def remove(keys: Keys, queue: str, raw: bytes) -> Op[int]:
    """Delete one entry of a queue by its exact bytes; return how many went, 0 or 1.

    Sent twice it takes a second entry only where two of the same bytes stand, which one jid never makes.
    Cost: O(length of the queue).
    """
    return command("LREM", keys.queue(queue), 1, raw, decode=int)


def oldest_from(keys: Keys, queue: str, *, start: int, count: int) -> Op[list[bytes]]:
    """Read some jobs, in the order they run, `start` passed over. Safe to send twice: it only reads."""
    return command("LRANGE", keys.queue(queue), -start - count, -start - 1, decode=lambda found: found[::-1])


def withdraw(keys: Keys, queue: str, raws: Sequence[bytes], where: Where) -> Op[int]:
    """Delete jobs of a queue by their exact bytes; return how many were there.

    Sent twice it takes a second entry only where two of the same bytes stand, which one jid never makes.
    Cost: O(jobs between the place and the nearer end); anywhere: for each job.
    """
    return Op("withdraw", keys=(keys.queue(queue),), args=(_mark(), where.start, where.span, *raws), decode=int)


def divert(keys: Keys, queue: str, target: str, moves: Iterable[tuple[bytes, bytes]], where: Where) -> Op[int]:
    """Move jobs to another queue, behind what that has: each as it stands here and as it goes on. Returns how many.

    Safe to send twice: see `withdraw`. Cost: likewise.
    """
    return Op(
        "divert",
        keys=(keys.queue(queue), keys.queue(target), keys.queues),
        args=(_mark(), where.start, where.span, target, *(part for move in moves for part in move)),
        decode=int,
    )


def condemn(
    keys: Keys, queue: str, moves: Iterable[tuple[bytes, bytes]], where: Where, *, dead: DeadSetConfig
) -> Op[int]:
    """Move jobs to the dead set and trim that: each as it stands here and as it goes there. Returns how many.

    Safe to send twice: see `withdraw`. Cost: likewise.
    """
    return Op(
        "condemn",
        keys=(keys.queue(queue), keys.dead),
        args=(
            *(_mark(), where.start, where.span),
            *(dead.max_jobs, f"{dead.max_age_s:.0f}", int(keys.wire == "verk")),
            *(part for move in moves for part in move),
        ),
        decode=int,
    )


def _mark() -> bytes:
    return b"\x00" + os.urandom(16)


def clear(keys: Keys, queue: str) -> Op[int]:
    """Delete a queue's jobs and its name; return how many jobs went. What workers hold is not touched.

    Safe to send twice: the second finds what was pushed since, or nothing.
    """
    return Op("clear_queue", keys=(keys.queue(queue), keys.queues), args=(queue,), decode=int)


def pause(keys: Keys, queue: str) -> Op[int]:
    """Let nobody take from a queue; Ruby's open-source workers take all the same. Safe to send twice: a set."""
    return command("SADD", keys.paused, queue, decode=int)


def unpause(keys: Keys, queue: str) -> Op[int]:
    """Let workers take from a queue again. Safe to send twice: a set."""
    return command("SREM", keys.paused, queue, decode=int)
