"""Writing a file whole or not at all: nobody ever reads half of it, and a failure leaves the old one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole_file(path: Path | str) -> Iterator[IO[str]]:
    """A text file to write (UTF-8, line ends as given) that takes the place of `path` when the block ends well.

    It is written beside `path`, so a folder that cannot be written to is refused before any work. A pipe or a device is
    written to as it is. Raises OSError.
    """
    path = Path(path)
    if (path.is_absolute() and path.parts[1] in ("dev", "proc")) or (path.exists() and not path.is_file()):
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    path = Path(os.path.realpath(path))  # behind a link, the file itself
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        opened = draft.open("w", encoding="utf-8", newline="")
    except OSError as problem:
        raise OSError(problem.errno, problem.strerror, str(path)) from None  # nobody asked for the draft
    try:
        with opened as out:
            yield out
        if path.exists():
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether both names lead to one file that is there, by whatever links."""
    return one.exists() and other.exists() and one.samefile(other)
