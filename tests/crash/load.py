"""Writers at work at the same time."""

import random
import threading
from collections.abc import Callable

from grpc import StatusCode

from calls import Calls
from contract import Refusal
from histories import History
from writers import KeyKeeper, Writer

WRITERS = 8


class Load:
    """Writers at work at the same time, each until a call of it gets no good answer, or until they are told to stop.
    `now` tells the time in one order for all of them."""

    def __init__(self, calls: Calls, administrator: str, chance: random.Random, now: Callable[[], int], writers: int = WRITERS):
        self.calls, self.administrator, self.now = calls, administrator, now
        self.histories: list[History] = []
        # The last call of each writer, unless it was told to stop.
        self.refusals: list[Refusal] = []
        # What must not happen to a writer.
        self.failures: list[Exception] = []
        # Counts the answers.
        self.acknowledged = threading.Semaphore(0)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(random.Random(chance.getrandbits(64)), number == 0))
            for number in range(writers)
        ]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def under_way(self) -> int:
        """How many calls wait for their answer."""
        last = [history.operations[-1] for history in self.histories if history.operations]
        return sum(operation.acknowledged is None for operation in last)

    def expect(self, *reasons: str) -> None:
        """Fails unless each writer ended because the connection did, or by a refusal of one of these reasons."""
        for refusal in self.refusals:
            if refusal.reason not in ("", *reasons) or refusal.code is not StatusCode.UNAVAILABLE:
                raise refusal
        if self.failures:
            raise self.failures[0]

    def _write(self, chance: random.Random, keeps_keys: bool) -> None:
        kinds = [Writer] * 5 + [KeyKeeper] if keeps_keys else [Writer]
        while not self._stop.is_set():
            writer = chance.choice(kinds)(self, chance)
            self.histories.append(writer.history)
            try:
                writer.live()
            except Refusal as refusal:
                self.refusals.append(refusal)
                return
            except Exception as failure:
                self.failures.append(failure)
                return
