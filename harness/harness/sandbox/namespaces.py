"""Namespaces: a network without interfaces, and a file tree that holds only what it was given.

The network is made once and joined by every child; a file tree is made for each child, of bind mounts. An ordinary user
gets both inside a user namespace of his own, where the kernel permits one. Sources: namespaces(7), pivot_root(2),
mount_setattr(2) (Linux 5.12).
"""

import ctypes
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox import syscalls

_NEW_MOUNTS, _NEW_USER, _NEW_NETWORK = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 4096, 16384, 1 << 18, 2
_READ_ONLY, _NO_SUID, _NO_DEVICES = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_STAGE = "/dev"
"""A folder that exists everywhere, over which the tree is built. A bind's own source cannot be the stage: looked up
through its descriptor, it would show what covers it."""


@dataclass(frozen=True, slots=True)
class Network:
    """An empty network namespace, held open by the judge; for an ordinary user with the user namespace that owns it."""

    network_fd: int
    user_fd: int | None

    def join(self) -> None:
        """Move the calling process in; an ordinary user then holds capabilities, there and only there.

        Raises:
            OSError: refused.
        """
        if self.user_fd is not None:
            syscalls.call("setns", self.user_fd, _NEW_USER)
        syscalls.call("setns", self.network_fd, _NEW_NETWORK)


def empty_network() -> Network:
    """Make one, in a child that ends at once; the descriptors keep it.

    Raises:
        OSError: not permitted here.
    """
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    done_read, done_write = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _make_and_wait(ready_write, done_read, to_close=done_write)
    try:
        os.close(ready_write)
        said = os.read(ready_read, 200)
        if said != b"made":
            raise OSError(f"no network namespace: {said.decode(errors='replace') or 'the child died'}")
        return _hold(child)
    finally:
        for descriptor in (ready_read, done_read, done_write):
            os.close(descriptor)
        os.waitpid(child, 0)


def _make_and_wait(ready: int, done: int, *, to_close: int) -> None:
    said = b"not permitted"
    try:
        os.close(to_close)
        _unshare_network()
        said = b"made"
    except OSError as error:
        said = str(error).encode()
    finally:
        os.write(ready, said)
        os.read(done, 1)
        os._exit(0)


def _unshare_network() -> None:
    if os.geteuid() == 0:
        syscalls.call("unshare", _NEW_NETWORK)
        return
    uid, gid = os.geteuid(), os.getegid()
    syscalls.call("unshare", _NEW_USER | _NEW_NETWORK)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_bytes(text.encode())


def _hold(child: int) -> Network:
    flags = os.O_RDONLY | os.O_CLOEXEC
    user = None if os.geteuid() == 0 else os.open(f"/proc/{child}/ns/user", flags)
    return Network(os.open(f"/proc/{child}/ns/net", flags), user)


@dataclass(frozen=True, slots=True)
class _Bind:
    """One thing shown in the new tree, at its own real path."""

    path: Path
    writable: bool


@dataclass(frozen=True, slots=True)
class FileTree:
    """A file tree to be entered: links and binds in the order in which they are made."""

    links: tuple[tuple[Path, str], ...]
    binds: tuple[_Bind, ...]

    def enter(self) -> None:
        """Make this tree the root of the calling process, which must hold CAP_SYS_ADMIN over its user namespace.

        Raises:
            OSError: a step was refused.
        """
        os.umask(0o022)  # the candidate's user must pass through the folders made here, whatever the judge's own
        syscalls.call("unshare", _NEW_MOUNTS)
        _mount(None, "/", flags=_MS_REC | _MS_PRIVATE)
        # Opened before the stage covers them, and after the unshare: a mount of another namespace cannot be bound.
        sources = [os.open(bind.path, os.O_PATH | os.O_CLOEXEC) for bind in self.binds]
        _mount("tmpfs", _STAGE, kind="tmpfs", flags=_NO_SUID | _NO_DEVICES, options="mode=755")
        for path, target in self.links:
            place = _below_stage(path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(target, place)
        for bind, source in zip(self.binds, sources, strict=True):
            _show(bind, source, place=_below_stage(bind.path))
        self._become_root()

    def _become_root(self) -> None:
        _seal(_STAGE, rights=_READ_ONLY | _NO_SUID | _NO_DEVICES, recursive=False)
        os.chdir(_STAGE)
        here = ctypes.c_char_p(b".")
        syscalls.call("pivot_root", here, here)
        syscalls.call("umount2", here, _MNT_DETACH)
        os.chdir("/")


def tree(*, readable: tuple[Path, ...], writable: tuple[Path, ...]) -> FileTree:
    """Plan a tree: folders before what lies in them, and every link on the way to a path made again."""
    links: dict[Path, str] = {}
    for path in (*readable, *writable):
        _trace(path, links)
    real = {path.resolve(): False for path in readable} | {path.resolve(): True for path in writable}
    shown = sorted(real, key=lambda path: (len(path.parts), str(path)))
    folders = [path for path in shown if path.is_dir()]
    # What lies in a folder that is shown already needs no mount of its own, unless it differs in being writable.
    binds = [
        _Bind(path, real[path])
        for path in shown
        if not any(real[f] == real[path] and f in path.parents for f in folders)
    ]
    return FileTree(tuple(_outside(links, binds)), tuple(binds))


def _trace(path: Path, links: dict[Path, str]) -> None:
    """Note every symbolic link on the way to a path, following them as the kernel does."""
    at, rest = Path("/"), list(Path(os.path.normpath(path)).parts[1:])
    while rest and len(links) < 10_000:
        at = at / rest.pop(0)
        if at.is_symlink():
            links[at] = os.readlink(at)
            followed = os.path.normpath(at.parent / links[at] / Path(*rest))
            at, rest = Path("/"), list(Path(followed).parts[1:])


def _outside(links: dict[Path, str], binds: list[_Bind]) -> list[tuple[Path, str]]:
    """The links that no bound folder shows by itself."""
    bound = {bind.path for bind in binds}
    return [(path, target) for path, target in links.items() if bound.isdisjoint(path.parents)]


def _below_stage(path: Path) -> str:
    return _STAGE + str(path)


def _show(bind: _Bind, source: int, *, place: str) -> None:
    mode = os.fstat(source).st_mode
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if stat.S_ISDIR(mode):
        os.makedirs(place, exist_ok=True)
    elif not os.path.exists(place):
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(f"/proc/self/fd/{source}", place, flags=_MS_BIND | _MS_REC)
    devices = 0 if stat.S_ISCHR(mode) else _NO_DEVICES
    _seal(place, rights=_NO_SUID | devices | (0 if bind.writable else _READ_ONLY), recursive=True)


def _mount(source: str | None, target: str, *, flags: int, kind: str | None = None, options: str = "") -> None:
    words = (None if text is None else ctypes.c_char_p(os.fsencode(text)) for text in (source, target, kind))
    syscalls.call("mount", *words, flags, ctypes.c_char_p(options.encode()))


def _seal(place: str, *, rights: int, recursive: bool) -> None:
    attributes = ctypes.c_char_p(struct.pack("=4Q", rights, 0, 0, 0))
    flags = _AT_RECURSIVE if recursive else 0
    syscalls.call("mount_setattr", _AT_FDCWD, ctypes.c_char_p(os.fsencode(place)), flags, attributes, 32)
