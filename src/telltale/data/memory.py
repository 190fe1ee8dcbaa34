"""What the C library does with memory that is given back."""

import ctypes

# glibc's names and numbers, from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_BLOCK = 32 * 2**20
_KEPT = 256 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks of up to 32 MB, 256 MB in all, instead of handing them back to the system.

    Decoding picture after picture takes and frees the same few megabytes each time; without this each of their pages is
    faulted in and zeroed again, a quarter of a build's time. Holds for the whole process, until it ends.

    Returns:
        Whether the C library took the settings; False where it is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    settings = ((_MMAP_THRESHOLD, _LARGEST_BLOCK), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _LARGEST_BLOCK))
    taken = [mallopt(parameter, value) == 1 for parameter, value in settings]
    return all(taken)


def give_back_memory() -> bool:
    """Hand what glibc keeps of freed memory back to the system, whichever thread took it.

    Each thread has a store of its own, from which no other thread is served: after one large picture in each of them
    a process would keep as many pictures as it has threads.

    Returns:
        Whether there was anything to hand back; False, too, where the C library is not glibc.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return False
    return bool(trim(0))
