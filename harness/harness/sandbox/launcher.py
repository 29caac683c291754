"""Starts every untrusted program (builds of candidates, and workers, which run candidates) in a sandbox. A policy says
what each program may use.

This module knows how to confine a process, in which order, and how far this machine permits it; it does not know what
the process does. Every setup step in the child has a name. If a step fails, the program is not started and the error
names the step.
"""

import functools
import itertools
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path

from harness.guards import guard
from harness.sandbox import landlock, namespaces, privileges, seccomp, spawn, syscalls, temporary
from harness.sandbox.process import Process
from harness.sandbox.spawn import SandboxError, Step

__all__ = ["Isolation", "Level", "Policy", "Process", "SandboxError", "launch", "private_folder", "probe"]

_folders_made = itertools.count()
_LANDLOCK = "remedy: Linux 5.13 or later, landlock in its lsm= boot parameter, and a container profile that allows it"
_NAMESPACES = (
    "remedy: permit user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
)
_SECCOMP = "remedy: a kernel with seccomp filters on x86-64 or 64-bit ARM"


class Level(IntEnum):
    """The sandbox level, from 0 (BARE: only resource limits) to 3 (FULL: every guard), that says how far the processes
    of a candidate are confined. `probe` finds the highest level that a machine offers; the log stores it with every
    attempt.

    harness/README.md, section "Sandbox levels", has a table of what each level stops.
    """

    BARE = 0
    """Only resource limits, an empty environment and closed descriptors; for trusted candidates."""
    CONFINED = 1
    """In addition to level 0, seccomp, no capabilities and, if the judge is root, another user. A candidate can read
    every file that all users may read."""
    NAMESPACED = 2
    """In addition to level 1, a network without interfaces, and a file tree that shows only the policy's files."""
    FULL = 3
    """In addition to level 1, Landlock rules that restrict files and, on newer kernels, signals and sockets; also the
    network of level 2 if the kernel permits it."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Means of this machine to confine processes: the highest sandbox level, the reason why the level is not higher,
    the unused user ids that candidates may run under, and a network without interfaces that they join. `probe` makes
    it; `launch` and `private_folder` use it.
    """

    level: Level
    why_not_higher: str = ""
    """The mechanism that is missing for the next level, and the remedy; empty at the highest level."""
    uids: tuple[int, ...] = field(default=(), repr=False)
    """Unused user ids that candidates may run under; empty if the judge is not root."""
    network: namespaces.Network | None = None
    """A network without interfaces; None if the kernel does not permit one (seccomp still refuses sockets)."""

    @property
    def uid_changes(self) -> bool:
        """Return True if candidates run under another user id than the judge (the trusted process that measures). That
        is possible only if the judge is root.
        """
        return bool(self.uids)

    def lowered(self, level: Level) -> "Isolation":
        """Return a copy of this isolation with the sandbox level `level`, which may be lower or equal. Raises
        SandboxError if this machine does not offer the level: it is higher than the present one, or it is level 2 and
        the Linux kernel permits no network namespace.
        """
        if level > self.level:
            raise SandboxError(f"sandbox level {int(level)} is not offered on this machine: {self.why_not_higher}")
        if level is Level.NAMESPACED and self.network is None:
            raise SandboxError("sandbox level 2 is not offered on this machine: no network namespace is permitted")
        return replace(self, level=level, why_not_higher=f"lowered from level {int(self.level)}")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rights and limits of one sandboxed process: which files it may read, execute and write, its cores, memory,
    processes, open files and environment variables. The code that starts a build or a worker makes it; `launch` applies
    it. Sizes are in bytes.

    A right on a folder holds for everything below it.
    """

    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()
    """Folders in which names, but not contents, may be read, with all folders below them."""
    executable: tuple[Path, ...] = ()
    """Files that may be executed and read; a program's dynamic loader must be among them."""
    writable: tuple[Path, ...] = ()
    """The private folder of a build; empty for a worker."""
    devices: tuple[Path, ...] = ()
    """Device nodes that may be read, written and controlled by ioctl. If there are any, the process may also write in
    its own folder in /proc."""
    may_fork: bool = False
    """True for a build: it may start programs and change files. False for a worker: it may only start threads."""
    cores: tuple[int, ...] | None = None
    """Cores to which the process is bound; None = those of the judge."""
    memory_bytes: int | None = 4 << 30
    """Limit of address space; None = no limit, because a GPU driver reserves more than the machine has."""
    file_bytes: int = 16 << 20
    """Size of the largest file that may be written, memory files included."""
    processes: int = 64
    """Number of processes and threads together."""
    open_files: int = 64
    stack_bytes: int = 64 << 20
    environment: Mapping[str, str] = field(default_factory=dict)
    """All environment variables of the process; none are inherited."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program for `launch` to start: its command line (path and arguments), the file descriptors that it inherits
    from the judge, and the descriptors for its standard output and standard error (None for /dev/null).
    """

    command: Sequence[str | Path]
    """Absolute path of the program, then its arguments."""
    keep_fds: Sequence[int] = ()
    """Descriptors that the program inherits under the same numbers."""
    stdout: int | None = None
    """Descriptor for standard output; None = /dev/null."""
    stderr: int | None = None
    """Descriptor for standard error; None = /dev/null."""


def launch(program: Program, policy: Policy, *, isolation: Isolation, folder: Path) -> Process:
    """Start `program` (command line and descriptors) in a sandbox with the rights of `policy` and the guards of the
    level in `isolation`, and return its Process once it runs. `folder`, a path from `private_folder`, becomes its
    working directory. Raises SandboxError, which names the guard, if a guard cannot be set up or the program cannot be
    started.

    The Linux kernel kills the process when the judge, which calls this, ends.
    """
    image = spawn.ProgramImage(program.command, policy.environment)
    with guard("sandbox"), spawn.null_device() as null, _guard_steps(policy, isolation, folder=folder) as guards:
        streams = (null, *(null if stream is None else stream for stream in (program.stdout, program.stderr)))
        steps = [
            ("new session", os.setsid),
            ("signals", spawn.default_signals),
            ("descriptors", lambda: spawn.arrange_descriptors(streams, program.keep_fds)),
            *guards,
            ("program", image.execute),
        ]
        return spawn.start(steps)


# --- the guards, in the order in which they are set up -------------------------------------------------------------


@contextmanager
def _guard_steps(policy: Policy, isolation: Isolation, *, folder: Path) -> Iterator[list[Step]]:
    """Return a context manager that yields a list of setup steps, pairs of a name and a function without arguments,
    which a forked child runs in this order to confine itself; at the end of the block it closes the file descriptors of
    the steps. `policy` holds the rights and limits, `isolation` the sandbox level, and `folder` is the working
    directory. Raises SandboxError if a ruleset or filter cannot be made.

    Rulesets and filters are made before the fork; the child only applies them.
    """
    level, open_fds = isolation.level, list[int]()
    cores = policy.cores or os.sched_getaffinity(0)
    guards: list[Step] = [("cores", lambda: os.sched_setaffinity(0, cores))]
    try:
        if level >= Level.NAMESPACED and isolation.network is not None:
            guards.append(("network namespace", isolation.network.join))
        if level is Level.NAMESPACED:
            guards.append(("file tree", _tree(policy, folder).enter))
        guards.append(("folder", lambda: os.chdir(folder)))
        if level >= Level.CONFINED:
            guards += _privilege_steps(policy, isolation, folder=folder)
        guards += [("die with the judge", spawn.die_with_parent)]
        if level is Level.FULL:
            rules = landlock.ruleset(*_grants(policy))
            open_fds.append(rules)
            guards.append(("Landlock", lambda: landlock.enforce(rules, own_process=bool(policy.devices))))
        limits = _limits(policy, isolation)
        guards.append(("limits", lambda: spawn.set_limits(limits)))
        if level >= Level.CONFINED:
            guards.append(("seccomp", seccomp.program(_filter_kind(policy)).install))
        yield guards
    except OSError as error:
        raise SandboxError(f"sandbox: {error}") from error
    finally:
        for descriptor in open_fds:
            os.close(descriptor)


def _grants(policy: Policy) -> tuple[landlock.Grant, ...]:
    return (
        landlock.Grant(policy.readable, landlock.READ),
        landlock.Grant(policy.executable, landlock.RUN),
        landlock.Grant(policy.writable, landlock.OWN),
        landlock.Grant(policy.devices, landlock.DRIVE),
        landlock.Grant(policy.listable, landlock.READ_DIR),
    )


def _filter_kind(policy: Policy) -> seccomp.FilterKind:
    if policy.may_fork:
        return seccomp.FilterKind.BUILD
    return seccomp.FilterKind.GPU_WORKER if policy.devices else seccomp.FilterKind.WORKER


def _privilege_steps(policy: Policy, isolation: Isolation, *, folder: Path) -> list[Step]:
    """Return a list of setup steps, pairs of a name and a function without arguments, by which a forked child changes
    to the user that owns `folder` (only if the judge is root), drops all capabilities (the parts of root's power) and
    sets no-new-privs. Raises SandboxError if the level in `isolation` is 1 and the new user cannot read a file that
    `policy` lets the child read.

    The user changes to the owner of `folder` if the judge is root and that user can read all files of the policy. At
    levels 2 and 3 the process otherwise stays root without capabilities. At level 1 of an ordinary user the judge makes
    itself undumpable, so that candidates cannot read its memory.
    """
    guards: list[Step] = [("capability bounds", privileges.close_bounding_set)]
    uid = folder.stat().st_uid
    if uid in isolation.uids and (unreadable := _first_unreadable(policy, folder=folder)):
        if isolation.level is Level.CONFINED:
            raise SandboxError(
                f"sandbox: level 1 runs candidates as user {uid}, which cannot read {unreadable}; "
                "remedy: install where every user can read"
            )
        # Root without capabilities cannot write in a folder of another user.
        os.chown(folder, 0, 0)
    elif uid in isolation.uids:
        guards.append(("user", lambda: privileges.become(uid)))
    if isolation.level is Level.CONFINED and not isolation.uid_changes:
        privileges.hide()
    return [
        *guards,
        ("capabilities", privileges.drop_capabilities),
        ("no new privileges", privileges.forbid_new_privileges),
    ]


def _first_unreadable(policy: Policy, *, folder: Path) -> Path | None:
    """Return one path that some user of the machine could not read, or None if every user can read all of them; the
    child may change to another user only in the second case. Checked are the paths that `policy` lets a process read or
    execute, their parent folders, and the parent folders of `folder`. Raises OSError if a path does not exist.
    """
    granted = {path for path in (*policy.readable, *policy.executable) if folder not in path.parents and path != folder}
    locked_parents = (parent for parent in folder.resolve().parents if not parent.stat().st_mode & 0o001)
    return _first_unreadable_of(frozenset(granted)) or next(locked_parents, None)


@functools.lru_cache(maxsize=64)
def _first_unreadable_of(granted: frozenset[Path]) -> Path | None:
    """Return the path that comes first in alphabetical order among those paths of `granted` and their parent folders
    that some user of the machine could not read; None if every user can read all of them. Raises OSError if a path does
    not exist.

    The result is cached, because there are hundreds of files. If a file becomes unreadable later, programs fail to
    start; no right is gained.
    """
    paths = {form for path in granted for form in (path, path.resolve())}
    parents = {parent for path in paths for parent in path.parents}
    locked = [p for p in parents if not p.stat().st_mode & 0o001] + [p for p in paths if not p.stat().st_mode & 0o004]
    return min(locked, default=None)


def _tree(policy: Policy, folder: Path) -> namespaces.FileTree:
    readable = (*policy.readable, *policy.executable, *(() if policy.writable else (folder,)))
    return namespaces.tree(readable=readable, writable=policy.writable)


def _limits(policy: Policy, isolation: Isolation) -> dict[int, int]:
    others = 0 if isolation.uid_changes or isolation.level is Level.BARE else _threads_of(os.getuid())
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: policy.open_files,
        resource.RLIMIT_STACK: policy.stack_bytes,
        resource.RLIMIT_FSIZE: policy.file_bytes,
        resource.RLIMIT_NPROC: policy.processes + others,
        resource.RLIMIT_MEMLOCK: 0,
    }
    return limits if policy.memory_bytes is None else {**limits, resource.RLIMIT_AS: policy.memory_bytes}


def _threads_of(uid: int) -> int:
    """Return the number of threads of all running processes of the user id `uid`. The caller adds it to the limit
    RLIMIT_NPROC of a sandboxed process, because the Linux kernel counts all threads of the user against that limit. A
    process that ends during the count is left out.
    """
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            count += len(os.listdir(process / "task")) if process.stat().st_uid == uid else 0
        except OSError:  # the process ended meanwhile
            continue
    return count


# --- the private folder --------------------------------------------------------------------------------------------


@contextmanager
def private_folder(isolation: Isolation) -> Iterator[Path]:
    """Return a context manager that yields the path of a new, empty folder for one sandboxed process, and removes the
    folder with its contents at the end of the block. `isolation` holds the unused user ids to choose an owner from
    (none if the judge is not root). Raises SandboxError if the folder cannot be removed, OSError if it cannot be made.

    If the judge is root, the folder's owner is an unused user, and `launch` runs the process as that user.
    """
    with ExitStack() as stack:
        with guard("sandbox"):
            folder = stack.enter_context(temporary.locked_folder())
        try:
            if isolation.level >= Level.CONFINED and isolation.uids:
                uid = isolation.uids[next(_folders_made) % len(isolation.uids)]
                os.chown(folder, uid, uid)
            yield folder
        finally:
            with guard("sandbox"):
                _remove(folder)


def _remove(folder: Path) -> None:
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    # rmtree fails on folders without permissions, nested deeper than Python's recursion, or written meanwhile.
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], capture_output=True, check=False)
    if folder.exists():
        raise SandboxError(f"sandbox: the private folder {folder} cannot be removed")


# --- the level that this machine offers ----------------------------------------------------------------------------


def probe(*, at_most: Level = Level.FULL) -> Isolation:
    """Return the Isolation with the highest sandbox level, not above `at_most`, whose guards work on this machine. If a
    higher level fails, no error is raised; `why_not_higher` gives the reason. The result is level 0, which needs no
    guard, if all others fail.

    Each level is tried in a child process, which sets up the guards and then checks that forbidden calls are refused.
    """
    uids = privileges.unused_uids() if os.geteuid() == 0 else ()
    try:
        network = namespaces.empty_network()
    except OSError:
        network = None
    reasons = [f"level {int(at_most)} was requested"] if at_most < Level.FULL else []
    for level, remedy in ((Level.FULL, _LANDLOCK), (Level.NAMESPACED, _NAMESPACES), (Level.CONFINED, _SECCOMP)):
        if level > at_most:
            continue
        isolation = Isolation(level, "; ".join(reasons), uids, network)
        try:
            _check_level(isolation)
        except SandboxError as error:
            reasons.append(f"level {int(level)}: {str(error).removeprefix('sandbox: ')} ({remedy})")
        else:
            return isolation
    return Isolation(Level.BARE, "; ".join(reasons))


def _check_level(isolation: Isolation) -> None:
    """Set up all guards of the level in `isolation` in a child process, which then makes forbidden system calls and
    checks that they are refused. Return nothing if all guards work. Raises SandboxError, which names the guard, if a
    guard cannot be set up or has no effect.
    """
    if isolation.level is Level.NAMESPACED and isolation.network is None:
        raise SandboxError("network namespace: not permitted")
    if isolation.level is Level.CONFINED and os.geteuid() == 0 and not isolation.uids:
        raise SandboxError("user: the judge is root, and no unused user id was found for its candidates")
    policy = Policy()
    with private_folder(isolation) as folder, _guard_steps(policy, isolation, folder=folder) as guards:
        checks: list[Step] = [("check", lambda: _check_guards(isolation.level)), ("end", lambda: os._exit(0))]
        spawn.start([("new session", os.setsid), *guards, *checks]).wait(10.0)


def _check_guards(level: Level) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: syscalls.call("socket", 1, 1, 0),
        lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    ]
    if level >= Level.NAMESPACED:
        attempts.append(lambda: os.listdir("/etc"))
    if not all(map(_is_refused, attempts)):
        raise OSError("a guard was set up but has no effect")


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False
