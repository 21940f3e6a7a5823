"""Local folders for what a task writes on its way: one for each attempt, and none left behind.

Invariants: a folder is removed by its own attempt or, after that was killed, by a later one of the same user and host;
never while a process holds its lock; never where the disk has no locks. Its files hold prompts and answers: only their
user may read them.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.edge.configuration import SPOOL
from anthropic_batches_provider.errors import ConfigurationError, SpoolFullError

log = logging.getLogger(__name__)

_LOCK_SUFFIX = ".lock"
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
_HELD_BY_ANOTHER = frozenset((errno.EWOULDBLOCK, errno.EACCES))


@contextmanager
def task_spool() -> Iterator[Path]:
    """Make a fresh folder for one task attempt, and remove it afterwards; remove what killed attempts left.

    It lies in ``anthropic-batches-{user id}`` under ``[anthropic_batches] spool``, by default the system's temporary
    folder. A SIGKILL leaves it behind, until the next attempt of this user on this host finds its lock free. Forked
    children share the lock: as long as one lives, the folder stays.

    :raises SpoolFullError: the disk, or the user's quota of it, has no room for what was written within.
    :raises ConfigurationError: the folder cannot be made, or is another user's.
    """
    home = _own_home(_configured_folder())
    with _full_disk_named(home):
        _remove_abandoned(home)
        claim = _claim(home)
    try:
        with _full_disk_named(claim.folder):
            claim.folder.mkdir(mode=0o700)
            yield claim.folder
    finally:
        claim.release()


def _configured_folder() -> Path:
    configured = SPOOL.read()
    folder = Path(configured) if configured else Path(tempfile.gettempdir())
    if not folder.is_absolute():
        raise ConfigurationError(f"[anthropic_batches] spool is {configured!r}; it must be an absolute local path.")
    return folder


def _own_home(folder: Path) -> Path:
    """Return this user's folder for all attempts, made if need be.

    :raises ConfigurationError: another user made it first, or this one may not write there.
    """
    home = folder / f"anthropic-batches-{os.geteuid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        found = home.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(home))
        if stat.S_IMODE(found.st_mode) != 0o700:
            home.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The folder for temporary files cannot be used: {error}. Nothing was read or sent. Set another local "
            "folder that the user of Airflow's tasks may write to: AIRFLOW__ANTHROPIC_BATCHES__SPOOL."
        ) from error
    return home


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A folder's name, and the lock that keeps it while this process, or a fork of it, lives.

    :param descriptor: of the lock file; closing the last copy of it gives the lock up.
    :param owner: id of the process that may remove the folder: a forked child runs the same ``finally``.
    """

    folder: Path
    lock: Path
    descriptor: int
    owner: int

    def release(self) -> None:
        if os.getpid() == self.owner:
            _remove(self.folder, self.lock)
        os.close(self.descriptor)


def _claim(home: Path) -> _Claim:
    """Take a lock first and make its folder afterwards, so that no folder is ever without."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_host_prefix(), suffix=_LOCK_SUFFIX, dir=home)
        lock = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = lock.exists()
        except OSError as error:
            is_ours = error.errno not in _HELD_BY_ANOTHER
            if is_ours:
                log.warning(
                    "The disk of %s has no locks (%s): what a killed task leaves there is never removed. Set "
                    "AIRFLOW__ANTHROPIC_BATCHES__SPOOL to a folder on a local disk.", home, error
                )  # fmt: skip
        if is_ours:
            return _Claim(folder=lock.with_suffix(""), lock=lock, descriptor=descriptor, owner=os.getpid())
        os.close(descriptor)  # another attempt saw the file before it was locked, and is removing it


def _remove_abandoned(home: Path) -> None:
    """Remove the folders of this host whose lock nobody holds any more."""
    for lock in home.glob(f"{_host_prefix()}*{_LOCK_SUFFIX}"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its own attempt, or another's start, has just removed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.with_suffix("").exists():
                log.info("Removing what a killed attempt left: %s", lock.with_suffix(""))
            _remove(lock.with_suffix(""), lock)
        except OSError as error:
            if error.errno not in _HELD_BY_ANOTHER:
                log.warning("Left as it is: %s, perhaps of a killed attempt: %s", lock.with_suffix(""), error)
        finally:
            os.close(descriptor)


def _remove(folder: Path, lock: Path) -> None:
    """Remove a folder and then its lock file, so that a removal that is itself killed is taken up again."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        lock.unlink(missing_ok=True)


def _host_prefix() -> str:
    """Begin a name with the host's: on a disk that several share, locks of the others may not show here."""
    return f"{socket.gethostname()}+"


@contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    """Raise a :class:`SpoolFullError` in place of an OSError that says no more than that some disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE or not _may_be_of(folder, error):
            raise
        raise _full(folder, error) from error


def _may_be_of(folder: Path, error: OSError) -> bool:
    """Return False for an error that names a file elsewhere: a full storage is not a full spool."""
    written = error.filename2 or error.filename
    return not isinstance(written, (str, Path)) or Path(written).is_relative_to(folder)


def _full(folder: Path, error: OSError) -> SpoolFullError:
    disk = os.statvfs(folder.parent)
    free_bytes = disk.f_bavail * disk.f_frsize
    own_bytes = sum(file.stat().st_size for file in folder.rglob("*"))
    return SpoolFullError(
        f"There is no room for this task's temporary files in {folder}: {error.strerror}. They take {own_bytes:,} "
        f"bytes so far; the disk has {free_bytes:,} bytes free, and room for {disk.f_favail:,} more files. A task "
        "holds one message batch at a time there: its requests, up to 256 MB, or its results twice over; besides, 30 "
        "to 120 bytes for each row's key. What was sent is recorded in the job folder: nothing of it is lost or paid "
        "for again. Make room, or name a local folder that has more: AIRFLOW__ANTHROPIC_BATCHES__SPOOL=/folder. A "
        "retry goes on where this attempt stopped.",
        folder=str(folder),
        free_bytes=free_bytes,
    )
