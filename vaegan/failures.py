"""Failures that can happen in any command: recognises a lack of memory, and describes a failure in a line."""

WORDS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """True if memory has run out on any device; the CPU's allocator has no exception class of its own."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in WORDS)


def in_a_line(error: BaseException) -> str:
    """A failure as one line for the user: the file and its problem, a lack of memory, or the error."""
    if out_of_memory(error):
        return "out of memory"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    said = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *said[:1]])
