"""A disk that is full, and one that fails: writes are refused, reads are answered, and it passes without a restart."""

import errno
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from grpc import StatusCode

from contract import Refusal
from histories import LIVE, Clock, History, Thing, Violation
from load import Load
from looks import Looks, check
from program import FAIL_SYNCS, FAIL_WRITES, Program

UNAVAILABLE = "STORAGE_UNAVAILABLE"
FAULTS = {
    "disk full": (FAIL_WRITES, errno.ENOSPC),
    "EIO on write": (FAIL_WRITES, errno.EIO),
    "EIO on sync": (FAIL_SYNCS, errno.EIO),
    "EIO on everything": (FAIL_WRITES | FAIL_SYNCS, errno.EIO),
}
# For so long the disk fails, and within so long writes must be taken again when it does not.
FAILING = 1.5
RECOVERY = 5.0
# More than this is slow for two reads, in seconds, on a busy machine too.
SLOW = 1.0


@dataclass
class Result:
    faults: int = 0
    refused: int = 0
    read: int = 0
    # What was answered otherwise than it should.
    wrong: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)


def inject(folder: Path, seed: int, rounds: int) -> Result:
    """Each fault so many times, under load. Every other time the server is killed while the disk fails, for what was refused
    must not damage what was not; else it goes on, and takes writes again by itself."""
    result, chance, clock = Result(), random.Random(seed), Clock()
    people: list[History] = []
    with Program(folder) as program:
        program.run()
        program.appoint()
        for number, (calls, code) in enumerate(list(FAULTS.values()) * rounds):
            load = Load(program.calls, program.administrator, chance, clock).start()
            for _ in range(chance.randint(10, 60)):
                load.acknowledged.acquire(timeout=RECOVERY)
            with program.failing(calls, code):
                load.join()
                load.expect(UNAVAILABLE)
                fail(program, load, chance, result)
                # Not always the same faults.
                killed = (number + number // len(FAULTS)) % 2 == 1
                if killed:
                    program.kill()
            if killed:
                program.run()
            else:
                recover(program, number, result)
            people += load.histories
            result.violations += check(Looks(program.calls, program.administrator), people[-40:])
            result.faults += 1
        program.kill()
        result.damaged += filter(None, [program.damage()])
    return result


def fail(program: Program, load: Load, chance: random.Random, result: Result) -> None:
    """While the disk fails: every writer was refused as it should be, nobody can write, and everybody can read."""
    for refusal in load.refusals:
        expect_unavailable(refusal, result)
    looks = Looks(program.calls, program.administrator)
    tokens = [thing for history in load.histories for thing, state in history.worlds()[0].items() if is_token(thing, state)]
    until = time.monotonic() + FAILING
    while time.monotonic() < until:
        try:
            program.calls.call("OAuthService.RegisterClient", metadata={"redirect_uris": ["https://app.example.com/"]})
            result.wrong.append("a write was acknowledged while the disk failed")
        except Refusal as refusal:
            expect_unavailable(refusal, result)
        begun = time.monotonic()
        try:
            if tokens and looks.state(chance.choice(tokens)) != LIVE:
                result.wrong.append("a token is refused while the disk fails")
            program.calls.call("admin.v1.AccountService.ListAccounts", bearer=program.administrator)
        except Refusal as refusal:
            result.wrong.append(f"a read was refused with {refusal}")
        result.read += 2
        if time.monotonic() - begun > SLOW:
            result.wrong.append("reads took more than a second")


def is_token(thing: Thing, state: object) -> bool:
    return thing.kind == "token" and state == LIVE


def expect_unavailable(refusal: Refusal, result: Result) -> None:
    result.refused += 1
    if (refusal.code, refusal.reason) != (StatusCode.UNAVAILABLE, UNAVAILABLE):
        result.wrong.append(f"a write was refused with {refusal}")


def recover(program: Program, number: int, result: Result) -> None:
    """The disk is good again: writes are taken, and the server says that it is ready."""
    begun = time.monotonic()
    while not program.takes_sign_ups(f"recovered{number}") or program.get("/readyz").status_code != 200:
        if time.monotonic() - begun > 4 * RECOVERY:
            break
        time.sleep(0.02)
    result.recoveries.append(time.monotonic() - begun)
    if result.recoveries[-1] > RECOVERY:
        result.wrong.append(f"writes were taken again only after {result.recoveries[-1]:.0f} s")


def working_disk_is_found(folder: Path, seed: int) -> bool:
    """The control: while the disk does not fail, writes are not refused."""
    result, chance = Result(), random.Random(seed)
    with Program(folder) as program:
        program.run()
        program.appoint()
        load = Load(program.calls, program.administrator, chance, Clock()).start()
        load.stop()
        fail(program, load, chance, result)
    return bool(result.wrong)
