"""SIGKILL at random moments and at named points, under load and in a first start; and SIGTERM, which must lose nothing that was
begun."""

import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from grpc import StatusCode

from histories import DEAD, LIVE, Clock, History, Operation, Thing, Violation
from images import OPEN, SYNC_END, read
from load import Load
from looks import Looks, check
from program import Program

# How many answers come before a kill.
ANSWERS = (5, 80)
# The points that a kill is named by (record.c), and the most calls before it.
POINTS = [
    ("write:-wal", ("before", "torn", "after"), 200),
    ("sync:-wal", ("before", "after"), 30),
    ("write:.db", ("before", "torn", "after"), 20),
    ("sync:.db", ("before", "after"), 2),
]
# A point that is not reached by then is a random moment.
PATIENCE = 3.0
# How many people of earlier rounds are looked at again.
EARLIER = 6
DEAR = 0.2
# The program promises to be gone by then.
STOP_WITHIN = 10.0
# How a call fails that the server never took: it was not listening any more, or said that it takes no more.
NOT_TAKEN = ("failed to connect", "Connection refused", "GOAWAY")


@dataclass
class Result:
    kills: int = 0
    named: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    violations: list[Violation] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    not_started: list[str] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    # Of SIGTERMs: the calls that were cut off, those that were under way, and how long each stop took.
    cut_off: list[str] = field(default_factory=list)
    under_way: int = 0
    stops: list[float] = field(default_factory=list)


class Rounds:
    """One server that is ended again and again, and the people of all rounds."""

    def __init__(self, program: Program, chance: random.Random):
        self.program, self.chance = program, chance
        self.people: list[History] = []
        self.result = Result()
        self.clock = Clock()

    def begin(self) -> None:
        self.program.run()
        self.program.appoint()

    def load(self) -> Load:
        return Load(self.program.calls, self.program.administrator, self.chance, self.clock).start()

    def kill(self) -> None:
        """A round: people write, the server is killed, and what it acknowledged must be true after the next start."""
        load = self.load()
        for _ in range(self.chance.randint(*ANSWERS)):
            load.acknowledged.acquire(timeout=PATIENCE)
        time.sleep(self.chance.uniform(0, 0.01))
        self._kill(load)
        self._look(load, self._start())

    def kill_at_point(self) -> None:
        """The same, with the server killed by itself in the midst of a call."""
        call, moments, calls = self.chance.choice(POINTS)
        self.program.kill()
        if not self._start(kill=f"{call}:{self.chance.randint(1, calls)}:{self.chance.choice(moments)}"):
            return
        self.program.control(counting=True)
        load = self.load()
        deadline = time.monotonic() + PATIENCE
        while self.program.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        self.result.named += self.program.process.poll() == -signal.SIGKILL
        self._kill(load)
        self.program.control()
        self._look(load, self._start())

    def terminate(self, number: int = signal.SIGTERM) -> None:
        """A round with this signal: nothing that the server took is cut off, and it is gone in time."""
        load = self.load()
        for _ in range(self.chance.randint(*ANSWERS)):
            load.acknowledged.acquire(timeout=PATIENCE)
        begun = time.monotonic()
        self.result.under_way += load.under_way()
        self.program.process.send_signal(number)
        code = self.program.wait()
        self.result.stops.append(time.monotonic() - begun)
        if code != 0:
            self.result.cut_off.append(f"the server ended with {code}")
        load.join()
        for refusal in load.refusals:
            taken = not any(words in refusal.message for words in NOT_TAKEN)
            if taken or refusal.code is not StatusCode.UNAVAILABLE:
                self.result.cut_off.append(str(refusal))
        self._look(load, self._start())

    def look_at_all(self) -> None:
        """Everybody of every round, once more."""
        self._check(self.people)

    def _kill(self, load: Load) -> None:
        if self.program.process.poll() not in (None, -signal.SIGKILL):
            self.result.not_started.append(f"the server ended by itself: {self.program.output()[-500:]}")
        self.program.kill()
        load.join()

    def _start(self, kill: str = "") -> bool:
        try:
            self.result.ready.append(self.program.run(kill=kill))
        except RuntimeError as failure:
            self.result.not_started.append(str(failure)[-500:])
            return False
        return True

    def _look(self, load: Load, started: bool) -> None:
        load.expect()
        self.result.kills += 1
        operations = (operation for history in load.histories for operation in history.operations)
        self.result.acknowledged.update(operation.rpc for operation in operations if operation.acknowledged)
        if started:
            earlier = self.chance.sample(self.people, min(EARLIER, len(self.people)))
            self._check(load.histories + earlier)
        self.people += load.histories

    def _check(self, people: list[History]) -> None:
        looks = Looks(self.program.calls, self.program.administrator)
        self.result.violations += check(looks, people, dear=DEAR)
        self.result.looked_at += sum(len(history.world) for history in people)


def kill_under_load(folder: Path, seed: int, count: int, points: bool = True, **settings: str) -> Result:
    """So many kills, every other one at a named point."""
    with Program(folder, **settings) as program:
        rounds = Rounds(program, random.Random(seed))
        rounds.begin()
        for number in range(count):
            if points and number % 2:
                rounds.kill_at_point()
            else:
                rounds.kill()
            if number % 10 == 9:
                rounds.result.damaged += filter(None, [program.damage()])
        rounds.look_at_all()
        program.kill()
        rounds.result.damaged += filter(None, [program.damage()])
        return rounds.result


def terminate_under_load(folder: Path, seed: int, count: int) -> Result:
    with Program(folder) as program:
        rounds = Rounds(program, random.Random(seed))
        rounds.begin()
        for _ in range(count):
            rounds.terminate()
        program.kill()
        return rounds.result


def kill_first_starts(folder: Path, count: int | None) -> Result:
    """A first start is ended before its first change of a file, its second, and so on; the next start must be as good as a first
    one. With a count, so many of them, spread over the whole."""
    folder.mkdir()
    result = Result()
    with Program(folder / "measure") as program:
        program.run(recording=True)
        calls = sum(event.kind not in (OPEN, SYNC_END) for event in read(program.record))
    step = max(1, calls // count) if count else 1
    for number in range(1, calls + 1, step):
        place = folder / f"first{number}"
        kill_first_start(place, number, result)
        shutil.rmtree(place)
    return result


def kill_first_start(folder: Path, number: int, result: Result, spoil: bool = False) -> None:
    """A first start that is ended before change `number`, and the next one. With `spoil`, which is the control, it left half a
    key."""
    with Program(folder) as program:
        program.control(counting=True)
        try:
            program.run(kill=f"any:*:{number}:before")
        except RuntimeError:
            result.named += 1
        program.kill()
        result.kills += 1
        if spoil:
            (program.data / "master.key").write_text("half")
        try:
            result.ready.append(program.run())
        except RuntimeError as failure:
            result.not_started.append(f"killed before call {number} of its first start: {str(failure)[-500:]}")
            return
        if not program.takes_sign_ups("ann"):
            result.not_started.append(f"after a kill before call {number} of a first start nobody can sign up")
        program.kill()
        result.damaged += filter(None, [program.damage()])


def half_a_start_is_found(folder: Path) -> bool:
    """The control of the first starts."""
    result = Result()
    kill_first_start(folder, 20, result, spoil=True)
    return bool(result.not_started)


def forgeries_are_found(folder: Path, seed: int) -> bool:
    """The control of the kills: a log with a write and a revocation that never happened must be found out."""
    with Program(folder) as program:
        rounds = Rounds(program, random.Random(seed))
        rounds.begin()
        rounds.kill()
        person = next(it for it in rounds.people if LIVE in it.world.values())
        forged = {
            Thing("account", ("nobody@example.com",)): LIVE,
            Thing("key", (program.administrator,)): DEAD,
        }
        person.operations.append(Operation("forged", rounds.clock(), forged, rounds.clock()))
        rounds.look_at_all()
        kinds = sorted(violation.kind for violation in rounds.result.violations)
        return kinds == ["lost", "undone"]


def cut_calls_are_found(folder: Path, seed: int) -> bool:
    """The control of the stops: SIGKILL cuts off what is under way."""
    with Program(folder) as program:
        rounds = Rounds(program, random.Random(seed))
        rounds.begin()
        rounds.terminate(signal.SIGKILL)
        return any(StatusCode.UNAVAILABLE.name in it for it in rounds.result.cut_off)
