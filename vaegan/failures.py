"""Failures that may happen to any command: which ones are a lack of memory, and what they are in one line."""

WORDS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """True where memory has run out, on whichever device: the allocator of CPUs has no error of its own."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in WORDS)


def in_a_line(error: BaseException) -> str:
    """A failure as a user reads it: the file and what is wrong with it, a lack of memory, or the fault."""
    if out_of_memory(error):
        return "out of memory"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    said = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *said[:1]])
