"""What a power cut leaves on the disk, made from the record of record.c.

The model: a write, a truncation or a change of the folder's entries is certain to be there once a sync of that file, or of
the folder, has ended that began after it. Of later writes each is there, or is not, or its sectors of 512 bytes are there in
part; of later entries those up to some moment are, for file systems keep their order. What was written before a sync that
failed may never be there, whatever is synced later: the kernel takes it for written, and goes on showing it until the power goes.
"""

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct("<IIIIQ")
OPEN, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, LINK, UNLINK, SYNC_FAILED = range(1, 10)
FOLDER = "."
WAL, DATA = "countersign.db-wal", "countersign.db"
SECTOR = 512
# What becomes of writes that were not synced: none are there, all are, each as it happens, or those up to a moment.
FATES = ("none", "all", "each", "first")


class Event(NamedTuple):
    """A line of the record, and where in the record it ends."""

    kind: int
    file: int
    offset: int
    name: str
    data: memoryview
    end: int


def read(record: Path) -> list[Event]:
    content, events, at = memoryview(record.read_bytes()), [], 0
    while at + HEADER.size <= len(content):
        kind, file, name_length, length, offset = HEADER.unpack_from(content, at)
        middle = at + HEADER.size + name_length
        end = middle + length
        # The end of a program that was killed while it wrote this.
        if end > len(content):
            break
        events.append(Event(kind, file, offset, str(content[at + HEADER.size : middle], "utf-8"), content[middle:end], end))
        at = end
    return events


@dataclass
class File:
    """A file, by whatever name."""

    # Each with where in the record it ends.
    changes: list[Event] = field(default_factory=list)
    # So many changes are certain to be there.
    durable: int = 0
    # The same, once a checkpoint begins: for the control.
    pending: int = 0

    def sync(self, began: int) -> int:
        """How many changes stood in the record when a sync began."""
        count = len(self.changes)
        while count and self.changes[count - 1].end > began:
            count -= 1
        return count


class Disk:
    """A folder on a disk that was told to do this. With `lazy_wal`, syncs of the WAL count only once a checkpoint writes
    to the data file, as with SQLite's `synchronous = NORMAL`: an acknowledgement then comes before its commit is durable."""

    def __init__(self, events: list[Event], cut: int, lazy_wal: bool = False):
        self.lazy_wal = lazy_wal
        self.files: dict[int, File] = {}
        self.names: dict[str, File] = {}
        # Each with what stands under the name afterwards.
        self.entries: list[tuple[Event, str, File | None]] = []
        self.durable_entries = 0
        for event in events:
            if event.end > cut:
                break
            self._happens(event)

    def _happens(self, event: Event) -> None:
        if event.kind == OPEN:
            self._opens(event)
        elif event.kind in (WRITE, TRUNCATE):
            file = self.files[event.file]
            file.changes.append(event)
            if self.lazy_wal and event.name == DATA and WAL in self.names:
                self.names[WAL].durable = self.names[WAL].pending
        elif event.kind == SYNC_END and event.name == FOLDER:
            self.durable_entries = sum(entry.end <= event.offset for entry, _, _ in self.entries)
        elif event.kind == SYNC_END:
            self._syncs(event)
        elif event.kind == SYNC_FAILED and event.name != FOLDER:
            file = self.files[event.file]
            del file.changes[file.durable : file.sync(event.offset)]
        elif event.kind == UNLINK:
            self._enter(event, event.name, None)
        elif event.kind in (RENAME, LINK):
            source = str(event.data, "utf-8")
            self._enter(event, event.name, self.names.get(source))
            if event.kind == RENAME:
                self._enter(event, source, None)

    def _syncs(self, event: Event) -> None:
        file = self.files[event.file]
        durable = file.sync(event.offset)
        if self.lazy_wal and event.name == WAL:
            file.pending = max(file.pending, durable)
        else:
            file.durable = max(file.durable, durable)

    def _opens(self, event: Event) -> None:
        if event.name == FOLDER:
            return
        if event.name not in self.names:
            self._enter(event, event.name, File())
        file = self.files[event.file] = self.names[event.name]
        if event.offset:
            file.changes.append(event._replace(kind=TRUNCATE, offset=0))

    def _enter(self, event: Event, name: str, file: File | None) -> None:
        self.entries.append((event, name, file))
        if file is None:
            self.names.pop(name, None)
        else:
            self.names[name] = file

    def image(self, folder: Path, chance: random.Random, fate: str) -> None:
        """Writes what is left of it."""
        later = len(self.entries) - self.durable_entries
        kept = {"none": 0, "all": later}.get(fate, chance.randint(0, later))
        names: dict[str, File] = {}
        for _, name, file in self.entries[: self.durable_entries + kept]:
            if file is None:
                names.pop(name, None)
            else:
                names[name] = file
        folder.mkdir(mode=0o700, parents=True)
        for name, file in names.items():
            path = folder / name
            path.write_bytes(contents(file, chance, fate))
            path.chmod(0o600)


def contents(file: File, chance: random.Random, fate: str) -> bytes:
    content = bytearray()
    for change in file.changes[: file.durable]:
        apply(content, change)
    later = file.changes[file.durable :]
    if fate == "none":
        later = []
    elif fate == "first":
        later = later[: chance.randint(0, len(later))]
    for number, change in enumerate(later):
        # With `first`, only the last one may be torn.
        certain = fate == "all" or (fate == "first" and number < len(later) - 1)
        draw = 0.0 if certain else chance.random()
        if draw < 0.4:
            apply(content, change)
        elif draw < 0.7 and change.kind == WRITE:
            for sector in sectors(change):
                if chance.random() < 0.5:
                    apply(content, sector)
    return bytes(content)


def sectors(write: Event) -> list[Event]:
    """The write in pieces that lie in one sector each."""
    pieces, at, end = [], write.offset, write.offset + len(write.data)
    while at < end:
        following = min(end, (at // SECTOR + 1) * SECTOR)
        pieces.append(write._replace(offset=at, data=write.data[at - write.offset : following - write.offset]))
        at = following
    return pieces


def apply(content: bytearray, change: Event) -> None:
    if change.kind == TRUNCATE:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data
