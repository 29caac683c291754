"""Makes Linux namespaces for sandboxed processes: a network without interfaces, and a file tree of chosen paths only.

The network is made once, and every child joins it. A file tree is made for each child, of bind mounts. If the judge is
not root, both belong to a user namespace, which the kernel must permit. Sources: namespaces(7), pivot_root(2),
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
"""The folder over which a new file tree is mounted while it is built; /dev exists on every machine.

It must not be the source of a bind mount: a lookup through that source's descriptor would see the new tree.
"""


@dataclass(frozen=True, slots=True)
class Network:
    """A network namespace without interfaces, in which a process can reach no other machine. It is held open by the
    file descriptor `network_fd`, and by `user_fd` for the user namespace that owns it (None if the judge is root).
    `empty_network` makes it; sandboxed processes call `join`.
    """

    network_fd: int
    user_fd: int | None
    """The user namespace that owns the network; None if the judge is root."""

    def join(self) -> None:
        """Move the calling process into this network, and first into the user namespace that owns the network, if there
        is one. Raises OSError if the Linux kernel refuses.

        A process that is not root then has all capabilities in that user namespace only.
        """
        if self.user_fd is not None:
            syscalls.call("setns", self.user_fd, _NEW_USER)
        syscalls.call("setns", self.network_fd, _NEW_NETWORK)


def empty_network() -> Network:
    """Make a network namespace without interfaces and return it as a Network, which holds it open by file descriptors.
    Raises OSError if the Linux kernel does not permit network namespaces to this user.

    A child process makes the namespace, so that the caller stays in its own; the child ends before this returns.
    """
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    done_read, done_write = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _make_and_wait(ready_write, done_read, to_close=done_write)
    try:
        os.close(ready_write)
        answer = os.read(ready_read, 200)
        if answer != b"made":
            raise OSError(f"no network namespace: {answer.decode(errors='replace') or 'the child died'}")
        return _hold(child)
    finally:
        for descriptor in (ready_read, done_read, done_write):
            os.close(descriptor)
        os.waitpid(child, 0)


def _make_and_wait(ready: int, done: int, *, to_close: int) -> None:
    answer = b"not permitted"
    try:
        os.close(to_close)
        _unshare_network()
        answer = b"made"
    except OSError as error:
        answer = str(error).encode()
    finally:
        os.write(ready, answer)
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
    """A file or folder, given by its real `path`, that is made visible at the same path in the file tree of a sandboxed
    process (by a bind mount, a second view of the same file), and whether the process may write there. Part of a
    FileTree.
    """

    path: Path
    writable: bool


@dataclass(frozen=True, slots=True)
class FileTree:
    """The plan of a file tree that shows a sandboxed process only chosen paths: a list of symbolic links to make (path
    and target), and a list of files and folders to make visible by bind mounts, in this order. The function `tree`
    makes it; the process enters it with `enter`.
    """

    links: tuple[tuple[Path, str], ...]
    """Path of each symbolic link, and its target."""
    binds: tuple[_Bind, ...]

    def enter(self) -> None:
        """Build this tree in a new mount namespace and make it the root folder of the calling process, so that the
        process sees no other files. The process needs CAP_SYS_ADMIN in its user namespace. Raises OSError if the Linux
        kernel refuses a step, or a path does not exist.
        """
        os.umask(0o022)  # the candidate's user must be able to enter the folders made below
        syscalls.call("unshare", _NEW_MOUNTS)
        _mount(None, "/", flags=_MS_REC | _MS_PRIVATE)
        # After the unshare, because a mount of another namespace cannot be bound; before the stage covers the sources.
        sources = [os.open(bind.path, os.O_PATH | os.O_CLOEXEC) for bind in self.binds]
        _mount("tmpfs", _STAGE, kind="tmpfs", flags=_NO_SUID | _NO_DEVICES, options="mode=755")
        for path, target in self.links:
            link = _below_stage(path)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(target, link)
        for bind, source in zip(self.binds, sources, strict=True):
            _bind(bind, source, target=_below_stage(bind.path))
        self._become_root()

    def _become_root(self) -> None:
        _seal(_STAGE, restrictions=_READ_ONLY | _NO_SUID | _NO_DEVICES, recursive=False)
        os.chdir(_STAGE)
        current = ctypes.c_char_p(b".")
        syscalls.call("pivot_root", current, current)
        syscalls.call("umount2", current, _MNT_DETACH)
        os.chdir("/")


def tree(*, readable: tuple[Path, ...], writable: tuple[Path, ...]) -> FileTree:
    """Return the plan of a file tree, a FileTree, that shows only the files and folders in `readable` (to read) and
    `writable` (to write also), each folder with its contents. Paths that lead over symbolic links stay valid. Nothing
    is mounted yet.

    Every symbolic link on the way to a path is recreated, so that the path can be opened by the same name.
    """
    links: dict[Path, str] = {}
    for path in (*readable, *writable):
        _trace(path, links)
    real = {path.resolve(): False for path in readable} | {path.resolve(): True for path in writable}
    shown = sorted(real, key=lambda path: (len(path.parts), str(path)))
    folders = [path for path in shown if path.is_dir()]
    # A path inside a folder that is shown needs no mount of its own, unless only one of the two is writable.
    binds = [
        _Bind(path, real[path])
        for path in shown
        if not any(real[f] == real[path] and f in path.parents for f in folders)
    ]
    return FileTree(tuple(_outside(links, binds)), tuple(binds))


def _trace(path: Path, links: dict[Path, str]) -> None:
    """Follow every symbolic link on the way to `path` as the Linux kernel does, up to 10,000 links, and add each to the
    dict `links`, from the link's path to its target, so that a file tree can recreate them. Raises OSError if a link
    cannot be read. Return nothing.
    """
    prefix, rest = Path("/"), list(Path(os.path.normpath(path)).parts[1:])
    while rest and len(links) < 10_000:
        prefix = prefix / rest.pop(0)
        if prefix.is_symlink():
            links[prefix] = os.readlink(prefix)
            followed = os.path.normpath(prefix.parent / links[prefix] / Path(*rest))
            prefix, rest = Path("/"), list(Path(followed).parts[1:])


def _outside(links: dict[Path, str], binds: list[_Bind]) -> list[tuple[Path, str]]:
    """Return those of `links`, as a list of (link path, target), that lie in none of the folders in `binds`; a file
    tree must recreate these. The other links are visible anyway, because their whole folder is.
    """
    bound = {bind.path for bind in binds}
    return [(path, target) for path, target in links.items() if bound.isdisjoint(path.parents)]


def _below_stage(path: Path) -> str:
    return _STAGE + str(path)


def _bind(bind: _Bind, source: int, *, target: str) -> None:
    mode = os.fstat(source).st_mode
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(f"/proc/self/fd/{source}", target, flags=_MS_BIND | _MS_REC)
    devices = 0 if stat.S_ISCHR(mode) else _NO_DEVICES
    _seal(target, restrictions=_NO_SUID | devices | (0 if bind.writable else _READ_ONLY), recursive=True)


def _mount(source: str | None, target: str, *, flags: int, kind: str | None = None, options: str = "") -> None:
    texts = (None if text is None else ctypes.c_char_p(os.fsencode(text)) for text in (source, target, kind))
    syscalls.call("mount", *texts, flags, ctypes.c_char_p(options.encode()))


def _seal(mount_point: str, *, restrictions: int, recursive: bool) -> None:
    attributes = ctypes.c_char_p(struct.pack("=4Q", restrictions, 0, 0, 0))
    flags = _AT_RECURSIVE if recursive else 0
    syscalls.call("mount_setattr", _AT_FDCWD, ctypes.c_char_p(os.fsencode(mount_point)), flags, attributes, 32)
