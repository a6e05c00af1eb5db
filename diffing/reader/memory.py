"""Memory of mapped files given back after it was read, so that going through a large cache takes little of it.

A process that reads a mapped file seems to hold every page that it has touched, and to a limit on memory it does.
"""

import mmap

AT_ONCE = 2**25
"""Bytes of mapped files that are read before their pages are given back. Chosen by eye: the system brings up to
sixteen pages along with each that is asked for, so that many times as much may stand in memory."""


def let_go(buffer: mmap.mmap | bytes) -> None:
    """Give back the memory of a mapped file's pages: whoever reads one again brings it back."""
    # Not every system knows the call, and there the pages go when memory is wanted.
    if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        buffer.madvise(mmap.MADV_DONTNEED)
