"""How the process holds the memory that it frees."""

import ctypes
import platform

# Of glibc's malloc.h: (parameter, value) of mallopt(3).
_KEEP = (
    (-4, 0),  # M_MMAP_MAX: no allocation is a mapping of its own, which freeing would give back
    (-1, 2**30),  # M_TRIM_THRESHOLD: bytes free at the end of the heap before it shrinks
    (-8, 1),  # M_ARENA_MAX: threads to come share the heap; one of their own holds no large array
)


def keep_freed_memory() -> bool:
    """Lets a process on a CPU use freed memory again instead of asking the system anew.

    XLA allocates the temporary arrays of a compiled step at each call. By default glibc takes large
    blocks from the system and gives them back when they are freed, and the system clears each page
    when it is touched: a fifth of the time of a translator's training step. To be called before
    JAX starts its threads, that is, before its first array; the process then keeps what it needed
    at its peak. On the host of an accelerator it was not measured.

    Returns:
        Whether it was done: nothing happens where the C library is another one.

    Example:
        >>> keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
        True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(libc.mallopt(name, value) == 1 for name, value in _KEEP)
