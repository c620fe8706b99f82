"""A campaign: many pieces of work at a time, each paid for once, tried again when it helps, within a budget."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from mien.errors import MienError
from mien.remote.ledger import Kept, Ledger
from mien.remote.work import Busy, Done, Halt, Lost, Outcome, Pending, Refused, Work, Worker


@dataclass(frozen=True)
class Limits:
    """How hard and how long a campaign may try.

    Attributes:
        concurrency: requests under way at once.
        budget: most that the ledger may show as spent, in millionths of a dollar; None is no limit.
        rate: requests a minute; None is no limit.
        attempts: tries of one piece of work.
        backoff: seconds before the second try; doubled for each further one, with jitter.
        patience: longest wait between two tries in seconds.
        again: try once more what was set aside in an earlier run.
    """

    concurrency: int = 16
    budget: int | None = None
    rate: float | None = None
    attempts: int = 6
    backoff: float = 1.0
    patience: float = 120.0
    again: bool = False


class HaltedError(MienError):
    """A campaign had to stop early; the ledger keeps what was done."""


class Campaign:
    """Runs work through a worker, over a ledger.

    Args:
        worker: who does it.
        ledger: where answers and money are written down.
        limits: see `Limits`.
    """

    def __init__(self, worker: Worker, ledger: Ledger, limits: Limits | None = None) -> None:
        self.worker, self.ledger, self.limits = worker, ledger, limits or Limits()
        self._slot = 0.0  # when the next request may leave, on the loop's clock
        self._open = 0  # reservations of this run that are not settled
        self._settled = asyncio.Condition()
        self._proven = False  # whether an answer has shown what one really costs
        self._broke = False
        self._halted: Halt | None = None

    async def run(self, works: Iterable[Work]) -> AsyncIterator[Outcome]:
        """Do all the work and yield outcomes as they come, in no particular order.

        Raises:
            HaltedError: the worker cannot go on; what was done before is in the ledger and was yielded.
        """
        results: asyncio.Queue[Outcome | BaseException | None] = asyncio.Queue()
        todo = iter(works)
        count = max(1, self.limits.concurrency)
        tasks = [asyncio.create_task(self._serve(todo, results)) for _ in range(count)]
        try:
            running = count
            while running:
                result = await results.get()
                if result is None:
                    running -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._halted is not None:
            raise HaltedError(f"{self.worker.name} cannot go on: {self._halted}")

    async def _serve(self, todo: Iterator[Work], results: asyncio.Queue[Outcome | BaseException | None]) -> None:
        try:
            for work in todo:
                outcome = await self._one(work)
                if outcome is not None:
                    results.put_nowait(outcome)
                if self._halted is not None:
                    break
            results.put_nowait(None)
        except BaseException as error:
            results.put_nowait(error)
            raise

    async def _one(self, work: Work) -> Outcome | None:
        """Do one piece of work, or find it done; None when the campaign halts."""
        kept = self.ledger.find(work.digest)
        if kept is not None and (kept.state == "done" or not self.limits.again):
            return Outcome(work, "done" if kept.state == "done" else "refused", kept.answer, kept.reason, cached=True)
        reason = ""
        for attempt in range(self.limits.attempts):
            if self._halted is not None:
                return None
            reservation = await self._reserve(work)
            if reservation is None:
                return Outcome(work, "unpaid", reason="the budget is spent")
            try:
                await self._pace()
                done = await self.worker.do(work)
            except Busy as error:
                await self._settle(reservation, 0, f"busy: {error}")
                reason = str(error)
                await self._wait(attempt, error.wait)
            except Lost as error:
                await self._settle(reservation, None, f"lost: {error}")
                reason = str(error)
                await self._wait(attempt, None)
            except Pending as error:
                await self._settle(reservation, 0, "pending")
                return Outcome(work, "pending", reason=str(error))
            except Refused as error:
                return await self._refuse(work, reservation, error)
            except Halt as error:
                await self._settle(reservation, 0, f"halted: {error}")
                self._halted = error
                return None
            except BaseException:
                # Cancelled in mid-request, or a mistake of ours: the money stays booked.
                await self._settle(reservation, None, "broken off")
                raise
            else:
                return await self._accept(work, reservation, done)
        # Not written down as refused: the other side was away, and a later run may find it back.
        return Outcome(work, "pending", reason=f"no answer after {self.limits.attempts} attempts: {reason}")

    async def _accept(self, work: Work, reservation: int, done: Done) -> Outcome:
        kept = Kept(work.digest, work.key, self.worker.name, "done", done.answer, None)
        await self._settle(reservation, done.cost, "done", done, kept)
        return Outcome(work, "done", done.answer)

    async def _refuse(self, work: Work, reservation: int, error: Refused) -> Outcome:
        kept = Kept(work.digest, work.key, self.worker.name, "refused", None, str(error))
        await self._settle(reservation, error.cost, f"refused: {error}", error, kept)
        return Outcome(work, "refused", reason=str(error))

    async def _reserve(self, work: Work) -> int | None:
        """Book the most that an attempt can cost; wait while only the bookings of others are in the way.

        Under a budget the first request goes alone: what it really costs corrects the worker's estimate for all others.
        """
        async with self._settled:
            while self.limits.budget is not None and not self._proven and self._open:
                await self._settled.wait()
            while not self._broke:
                price = self.worker.price(work)
                found = self.ledger.reserve(work.digest, self.worker.name, price, self.limits.budget)
                if found is not None:
                    self._open += 1
                    return found
                if self._open == 0:
                    self._broke = True
                    self._settled.notify_all()
                else:
                    await self._settled.wait()
        return None

    async def _settle(
        self,
        reservation: int,
        spent: int | None,
        outcome: str,
        result: Done | Refused | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.ledger.settle(reservation, spent, outcome, {} if result is None else result.usage, kept)
        async with self._settled:
            self._open -= 1
            self._proven = self._proven or result is not None
            self._settled.notify_all()

    async def _pace(self) -> None:
        """Wait for this request's turn under the rate, and for a pause that the other side asked for to end."""
        loop = asyncio.get_running_loop()
        turn = max(self._slot, loop.time())
        self._slot = turn + (60.0 / self.limits.rate if self.limits.rate else 0.0)
        await asyncio.sleep(turn - loop.time())

    async def _wait(self, attempt: int, asked: float | None) -> None:
        """Wait before the next try; a wait that the other side asked for holds for every request."""
        if asked is not None:
            wait = min(asked, self.limits.patience)
            self._slot = max(self._slot, asyncio.get_running_loop().time() + wait)
            return
        wait = min(self.limits.backoff * 2**attempt, self.limits.patience)
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, hides nothing
