"""Local folders for the temporary files of tasks: one for each attempt, and none left behind.

Invariants: its own attempt removes a folder; if that attempt was killed, a later one of the same user and host does.
Nobody removes a folder while a process holds its lock, or on a disk without locks. Its files hold prompts and answers:
only their user may read them.
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
    """Make a new folder for one task attempt, and remove it afterwards; also remove the folders of killed attempts.

    It is in ``anthropic-batches-{user id}`` under ``[anthropic_batches] spool``, by default the system's temporary
    folder. A SIGKILL leaves it behind until the next attempt of this user on this host finds its lock free. Forked
    children share the lock: as long as one lives, the folder stays.

    :raises SpoolFullError: the disk, or the user's quota on it, has no room for the files of the attempt.
    :raises ConfigurationError: the folder cannot be made, or belongs to another user.
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
    """Return this user's folder for all attempts; make it if necessary.

    :raises ConfigurationError: another user made it first, or this user may not write there.
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
            f"The folder for temporary files cannot be used: {error}. Set AIRFLOW__ANTHROPIC_BATCHES__SPOOL to another "
            "local folder that the user of Airflow's tasks may write to. Nothing was read or sent."
        ) from error
    return home


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A folder's name, and the lock that protects the folder while this process, or a fork of it, lives.

    :param descriptor: of the lock file; closing its last copy releases the lock.
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
    """Take a lock first and make its folder afterwards, so that no folder is ever without a lock."""
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
                    "The disk of %s has no locks (%s): the files of a killed task are never removed there. Set "
                    "AIRFLOW__ANTHROPIC_BATCHES__SPOOL to a folder on a local disk.", home, error
                )  # fmt: skip
        if is_ours:
            return _Claim(folder=lock.with_suffix(""), lock=lock, descriptor=descriptor, owner=os.getpid())
        os.close(descriptor)  # another attempt saw the file before it was locked, and is removing it


def _remove_abandoned(home: Path) -> None:
    """Remove the folders of this host whose lock no process holds any more."""
    for lock in home.glob(f"{_host_prefix()}*{_LOCK_SUFFIX}"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its own attempt, or another one at its start, has just removed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.with_suffix("").exists():
                log.info("Removing the folder that a killed attempt left: %s", lock.with_suffix(""))
            _remove(lock.with_suffix(""), lock)
        except OSError as error:
            if error.errno not in _HELD_BY_ANOTHER:
                log.warning("%s, perhaps of a killed attempt, was not removed: %s", lock.with_suffix(""), error)
        finally:
            os.close(descriptor)


def _remove(folder: Path, lock: Path) -> None:
    """Remove a folder and then its lock file, so that a later attempt completes a removal that is itself killed."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        lock.unlink(missing_ok=True)


def _host_prefix() -> str:
    """Return a prefix with the host's name: on a disk that several hosts share, their locks may not show here."""
    return f"{socket.gethostname()}+"


@contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    """Raise a :class:`SpoolFullError` in place of an OSError that says only that some disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE or not _may_be_of(folder, error):
            raise
        raise _full(folder, error) from error


def _may_be_of(folder: Path, error: OSError) -> bool:
    """Return False if the error names a file elsewhere: a full storage is not a full spool."""
    written = error.filename2 or error.filename
    return not isinstance(written, (str, Path)) or Path(written).is_relative_to(folder)


def _full(folder: Path, error: OSError) -> SpoolFullError:
    disk = os.statvfs(folder.parent)
    free_bytes = disk.f_bavail * disk.f_frsize
    own_bytes = sum(file.stat().st_size for file in folder.rglob("*"))
    return SpoolFullError(
        f"There is no room for this task's temporary files in {folder}: {error.strerror}. Make room, or name a local "
        "folder that has more: AIRFLOW__ANTHROPIC_BATCHES__SPOOL=/folder. A retry resumes where this attempt stopped. "
        "Everything that was sent is recorded in the job folder: nothing of it is lost or paid for again. The files "
        f"take {own_bytes:,} bytes so far; the disk has {free_bytes:,} bytes free, and room for {disk.f_favail:,} more "
        "files. A task holds one message batch at a time there: its requests, up to 256 MB, or its results twice over. "
        "Each row's key takes another 30 to 120 bytes.",
        folder=str(folder),
        free_bytes=free_bytes,
    )
