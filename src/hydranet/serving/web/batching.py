"""Requests that wait at the same time are computed together."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass
class _Waiting(Generic[Job, Result]):
    kind: Hashable
    job: Job
    result: Future[Result] = field(default_factory=Future)


class Batcher(Generic[Job, Result]):
    """A thread that takes the oldest waiting job and all others of its kind, and computes them in one call.

    Nobody waits for company: a job that comes alone is computed at once, those that come meanwhile are the next batch.

    run:  (kind, jobs) -> one result per job.    most: jobs in one call.
    Where a call fails, each of its jobs is computed alone, so that a bad one spoils no other's answer.
    """

    def __init__(self, run: Callable[[Hashable, Sequence[Job]], Sequence[Result]], most: int, name: str) -> None:
        self._run, self._most = run, most
        self._queue: deque[_Waiting[Job, Result]] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are still computed."""
        return self._thread.is_alive()

    def submit(self, kind: Hashable, job: Job) -> Future[Result]:
        """Puts a job into the queue; a future that is cancelled before its turn costs nothing."""
        waiting = _Waiting[Job, Result](kind, job)
        with self._changed:
            if self._closed:
                raise RuntimeError("the server is stopping")
            self._queue.append(waiting)
            self._changed.notify()
        return waiting.result

    def close(self) -> None:
        """Ends after the call under way; what waits is cancelled."""
        with self._changed:
            self._closed = True
            for waiting in self._queue:
                waiting.result.cancel()
            self._queue.clear()
            self._changed.notify()
        self._thread.join(10)

    def _work(self) -> None:
        while batch := self._next():
            ready = [one for one in batch if one.result.set_running_or_notify_cancel()]
            if ready:
                self._answer(ready)

    def _next(self) -> list[_Waiting[Job, Result]]:
        """The next batch; empty at the end."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            if self._closed:
                return []
            kind = self._queue[0].kind
            batch = [one for one in self._queue if one.kind == kind][: self._most]
            chosen = set(map(id, batch))
            self._queue = deque(one for one in self._queue if id(one) not in chosen)
            return batch

    def _answer(self, batch: Sequence[_Waiting[Job, Result]]) -> None:
        try:
            results = self._run(batch[0].kind, [one.job for one in batch])
        except BaseException as error:
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for one in batch:
                self._answer([one])
            return
        for one, result in zip(batch, results, strict=True):
            one.result.set_result(result)
