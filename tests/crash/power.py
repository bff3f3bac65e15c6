"""Power cuts: the record of a server at work is cut anywhere, and a server is started on what the disk would have kept."""

import errno
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import images
from faults import UNAVAILABLE
from histories import History, Violation
from load import Load
from looks import Looks, check
from program import FAIL_SYNCS, Program

# Images of one recording.
SHARE = 50
# The people that are looked at in an image: those at work when the power went, and some of those before.
RECENT, EARLIER = 10, 4
# The seconds that a recording takes: some checkpoints are in it.
RECORDING = 2.5
# The part of the images that are cut before anybody could sign up.
FIRST_STARTS = 0.1
DEAR = 0.2


@dataclass
class Recording:
    events: list[images.Event]
    people: list[History]
    administrator: str
    # From here on the administrator's key is known.
    begun: int


@dataclass
class Result:
    images: int = 0
    looked_at: int = 0
    not_started: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    # Of the images in which something is wrong: how to make each again.
    found: list[str] = field(default_factory=list)

    def count(self) -> int:
        """How much is wrong."""
        return len(self.not_started) + len(self.damaged) + len(self.violations)


def record(folder: Path, chance: random.Random, failing: bool) -> Recording:
    """Records a server at work, until it is killed or stopped. With `failing`, no sync succeeds for a while in between."""
    people: list[History] = []
    with Program(folder) as program:
        program.run(recording=True)
        program.appoint()
        begun = program.recorded()

        def work(seconds: float) -> Load:
            load = Load(program.calls, program.administrator, chance, program.recorded).start()
            time.sleep(seconds)
            return load

        loads = [work(RECORDING)]
        if failing:
            with program.failing(FAIL_SYNCS, errno.EIO):
                loads[0].join()
            loads.append(work(RECORDING))
        # A stop moves all of the WAL into the data file and removes it.
        if chance.random() < 0.5:
            program.terminate()
            program.wait()
        program.kill()
        for load in loads:
            load.join()
            load.expect(*[UNAVAILABLE] if failing else [])
            people += load.histories
        return Recording(images.read(program.record), people, program.administrator, begun)


def choose_cut(recording: Recording, chance: random.Random) -> int:
    """Anywhere, or just when an answer came: whoever acknowledges too early is found there."""
    if chance.random() < FIRST_STARTS:
        return chance.choice([event.end for event in recording.events if event.end <= recording.begun])
    answers = [it.acknowledged for history in recording.people for it in history.operations if it.acknowledged]
    if chance.random() < 0.5:
        return chance.choice(answers)
    return chance.choice([event.end for event in recording.events if event.end > recording.begun])


def look(folder: Path, recording: Recording, cut: int, chance: random.Random, result: Result) -> None:
    with Program(folder) as program:
        try:
            result.ready.append(program.run())
        except RuntimeError as failure:
            result.not_started.append(str(failure)[-500:])
            return
        if cut >= recording.begun:
            histories = sorted((it for it in recording.people if it.begin < cut), key=lambda it: it.last(cut))
            earlier = histories[:-RECENT]
            chosen = histories[-RECENT:] + chance.sample(earlier, min(EARLIER, len(earlier)))
            found = check(Looks(program.calls, recording.administrator), chosen, cut, DEAR)
            result.looked_at += sum(len(history.worlds(cut)[0]) for history in chosen)
            result.violations += found
        if not program.takes_sign_ups("afterwards"):
            result.not_started.append("nobody can sign up")
        program.kill()
        damage = program.damage()
        if damage:
            result.damaged.append(damage)


def cut_power(folder: Path, seed: int, count: int, lazy_wal: bool = False, failing: bool = False) -> Result:
    """Looks at so many images. The same seed does not give the same recording, for threads and the disk have their own
    order: the folder of an image in which something is wrong is kept."""
    folder.mkdir()
    result, recording = Result(), None
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        if number % SHARE == 0:
            shutil.rmtree(folder / "recording", ignore_errors=True)
            recording = record(folder / "recording", chance, failing)
        cut = choose_cut(recording, chance)
        fate = chance.choice(images.FATES)
        if lazy_wal:
            cut, fate = max(cut, recording.begun), "none"
        image = folder / f"image{number}"
        images.Disk(recording.events, cut, lazy_wal).image(image / "data", chance, fate)
        kept = folder / f"image{number}.data"
        shutil.copytree(image / "data", kept)
        before = result.count()
        look(image, recording, cut, chance, result)
        result.images += 1
        if result.count() > before:
            result.found.append(f"image {number} of seed {seed}: cut at {cut}, {fate}: {kept}")
        else:
            shutil.rmtree(kept)
        shutil.rmtree(image)
    return result
