"""Bulk work that takes longer than a page may: a thread of this process does it step by step.

How far it is stands in Redis for an hour, so that every web process can show it, and have it stopped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import msgspec
from msgspec import Struct, structs

from redisjobs import clock
from redisjobs.errors import RedisJobsError
from redisjobs.inspector import Access
from redisjobs.inspector.bulk import Bulk, Progress
from redisjobs.store.ops import tasks as ops
from redisjobs.wire import payload

log = logging.getLogger("redisjobs.web")

AT_ONCE = 500
"""Jobs that a request does itself; more of them are a task."""
_SILENT_S = 60.0


class Task(Struct, frozen=True, kw_only=True):
    """A bulk work as it was told last: what it does, who began it, how far it is, and the page it was begun on."""

    id: str
    title: str
    who: str
    back: str
    began_at: float
    told_at: float
    progress: Progress
    stopped: bool = False
    problem: str = ""
    reasons: list[tuple[str, str]] = []

    @property
    def runs(self) -> bool:
        """Whether it goes on."""
        return not (self.progress.finished or self.stopped or self.problem)

    @property
    def way_back(self) -> str:
        """The address of the page it was begun on; of ours only, whoever wrote here."""
        return self.back if self.back.startswith("/") and not self.back.startswith(("//", "/\\")) else "/"

    @property
    def silent(self) -> bool:
        """Whether it should go on and has not told so for a while: its process ended, or is stuck."""
        return self.runs and clock.now() - self.told_at > _SILENT_S


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Task).decode


class Tasks:
    """The tasks of all web processes."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._keys = access.keys

    def __iter__(self) -> Iterator[Task]:
        """Give them all, the newest first; what cannot be read, as of another version, is left out."""
        found = []
        for told in self._access.run(ops.told(self._keys)).values():
            try:
                found.append(_decode(told))
            except msgspec.MsgspecError:
                continue
        return iter(sorted(found, key=lambda task: task.began_at, reverse=True))

    def find(self, task: str) -> Task | None:
        """Return one by its id."""
        return next((one for one in self if one.id == task), None)

    def stop(self, task: str) -> None:
        """Have one stop after its step."""
        self._access.run(ops.stop(self._keys, task))

    def begin(self, work: Bulk, *, title: str, who: str, back: str) -> Task:
        """Do some work in a thread, and return at once."""
        now = clock.now()
        old = [task.id for task in self if now - task.told_at > ops.TTL_S]
        if old:
            self._access.run(ops.forget(self._keys, old))
        task = Task(
            id=payload.new_jid(),
            title=title,
            who=who,
            back=back,
            began_at=now,
            told_at=now,
            progress=Progress(0, 0, 0, 0, finished=False),
        )
        self._tell(task)
        threading.Thread(target=self._do, args=(task, work), name=f"redisjobs-task-{task.id}", daemon=True).start()
        return task

    def _do(self, task: Task, work: Bulk) -> None:
        try:
            for progress in work:
                task = structs.replace(task, told_at=clock.now(), progress=progress, reasons=work.reasons)
                if self._tell(task) and task.runs:
                    task = structs.replace(task, stopped=True)
                    break
        except RedisJobsError as error:
            task = structs.replace(task, problem=str(error))
        facts = {"task": task.id, "title": task.title, "who": task.who, "count": task.progress.done}
        log.info("task ended", extra={**facts, "stopped": task.stopped, "problem": task.problem})
        try:
            self._tell(structs.replace(task, told_at=clock.now()))
        except RedisJobsError as error:
            log.warning("the end of a task could not be told", extra={"task": task.id, "error": str(error)})

    def _tell(self, task: Task) -> bool:
        """Write how far one is; True if it is to stop."""
        return self._access.run(ops.tell(self._keys, task.id, _encode(task)))[-1] is not None
