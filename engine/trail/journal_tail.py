"""What the workers of a machine share of the journal's end, in memory behind the journal's lock file.

All of it is a hint that is checked, and rebuilt from the journal if it is wrong.
"""

from __future__ import annotations

import ctypes
import mmap
import os

End = tuple[
    int, int, int, bytes
]  # where the records end, the file's size (zeros lie ahead), the last record's number and its hash


class _Fields(ctypes.LittleEndianStructure):
    """The memory's layout: what runs beside a newer version of this program, or before it, has to find the same."""

    _fields_ = (
        ("holds", ctypes.c_bool),
        ("offset", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("sequence", ctypes.c_uint64),
        ("digest", ctypes.c_ubyte * 32),
        ("synced", ctypes.c_uint64),
        ("suspect", ctypes.c_bool),
        ("exchanged", ctypes.c_bool),
        ("hold_after", ctypes.c_double),
    )
    holds: bool  # the four below are of the journal's end: false while they are written, and while the journal is
    offset: int
    size: int
    sequence: int
    synced: int  # up to where a sync is known to have succeeded, at least
    suspect: bool  # whether a sync has failed since
    exchanged: bool  # whether the journal's file was found to be another one than the one that is written
    hold_after: (
        float  # the monotonic time from which nothing is appended, because a required sink is behind; 0 for never
    )


_DIGEST = slice(32, 64)  # read and set as bytes: as a field it would be an array of numbers


class SharedTail:
    """Its end is read and set with the journal's lock held; the other fields at any time."""

    __slots__ = ("_memory", "fields")

    def __init__(self, lock_file: int) -> None:
        size = ctypes.sizeof(_Fields)
        if os.fstat(lock_file).st_size < size:
            os.ftruncate(lock_file, size)
        self._memory = mmap.mmap(lock_file, size)
        self.fields = _Fields.from_buffer(self._memory)

    def end(self) -> End:
        fields = self.fields
        return fields.offset, fields.size, fields.sequence, self._memory[_DIGEST]

    def set_end(self, offset: int, size: int, sequence: int, digest: bytes) -> None:
        """A worker that dies meanwhile leaves an end that does not hold, and not a wrong one."""
        fields = self.fields
        fields.holds = False
        fields.offset, fields.size, fields.sequence, self._memory[_DIGEST] = offset, size, sequence, digest
        fields.holds = True

    def close(self) -> None:
        del self.fields  # it refers to the memory
        self._memory.close()
