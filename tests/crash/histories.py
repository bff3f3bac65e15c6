"""What people did, as far as the server has said so, and what must therefore be true after a crash."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

LIVE, DEAD = "live", "dead"


class Thing(NamedTuple):
    """Something that can be looked at: what kind of thing it is, and what the look needs. Of two things of one `group`,
    a look at one may end the other."""

    kind: str
    what: tuple[str, ...]
    group: str = ""


# What things were found to be, or must be. A thing that is not in it may be anything.
World = dict[Thing, object]


class Clock:
    """An order of all that happens, whatever the time is."""

    def __init__(self):
        self._count = itertools.count(1)

    def __call__(self) -> int:
        return next(self._count)


@dataclass
class Operation:
    """A call that writes. Times are of one order for all writers."""

    rpc: str
    begin: int
    # What is true once it has happened, as far as that can be known before the answer.
    effects: World = field(default_factory=dict)
    # When the answer had come; none when none came, so that it may have happened or not.
    acknowledged: int | None = None


@dataclass
class History:
    """What one person did, one call after the other. The first call without a good answer is the last one."""

    begin: int
    # What held before the first call.
    world: World = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def worlds(self, cut: int | None = None) -> list[World]:
        """What may be true of the things when time ends at `cut`: one world, or two while a call is in flight, which has
        happened as a whole or not at all."""
        world, worlds = dict(self.world), []
        for operation in self.operations:
            if cut is not None and operation.begin >= cut:
                break
            known = operation.acknowledged is not None and (cut is None or operation.acknowledged <= cut)
            if not known:
                worlds.append(world | operation.effects)
                break
            world |= operation.effects
        return [world, *worlds]

    def last(self, cut: int) -> int:
        """When the last call before `cut` began."""
        return max((operation.begin for operation in self.operations if operation.begin < cut), default=self.begin)


@dataclass
class Violation:
    """A world that cannot be: what was found instead of what was acknowledged."""

    thing: Thing
    expected: object
    found: object

    @property
    def kind(self) -> str:
        """What went wrong: `undone` when something ended is alive again, `lost` when what was made or set is not there."""
        return "undone" if self.expected == DEAD else "lost"

    def __str__(self) -> str:
        what = ", ".join(part if len(part) < 60 else f"{part[:24]}…{part[-8:]}" for part in self.thing.what)
        return f"{self.kind}: {self.thing.kind} ({what}) is {self.found}, not {self.expected}"


def differences(world: World, found: World) -> Iterator[Violation]:
    """Where the two disagree about things that both know."""
    for thing, expected in world.items():
        if thing in found and found[thing] != expected:
            yield Violation(thing, expected, found[thing])


def compare(worlds: list[World], found: World) -> tuple[World, list[Violation]]:
    """The world that was found, and no violations; or the acknowledged one, and what differs from it."""
    # The later one first: it says of more things what they are.
    for world in reversed(worlds):
        if not any(differences(world, found)):
            return world, []
    return worlds[0], list(differences(worlds[0], found))
