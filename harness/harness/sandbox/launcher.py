"""The launcher of everything untrusted: candidates' builds and workers, under one policy each.

It knows how to confine a process, in which order, and how far this machine lets it; not what a worker does. Each step
in the child has a name: the one that fails aborts the start with it, for guards fail closed.
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

_turns = itertools.count()
_LANDLOCK = "remedy: Linux 5.13 or later, landlock in its lsm= list, and a container profile that allows it"
_NAMESPACES = (
    "remedy: permit user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
)
_SECCOMP = "remedy: a kernel with seccomp filters on x86-64 or 64-bit ARM"


class Level(IntEnum):
    """How far a candidate is confined; stored with every attempt. What each one stops: README.md, "Below level 3"."""

    BARE = 0
    """A subprocess with limits, without any guard: only for candidates one trusts."""
    CONFINED = 1
    """Seccomp, limits, and another user where the judge is root; what everybody may read, a candidate may read."""
    NAMESPACED = 2
    """And a file tree and a network of its own."""
    FULL = 3
    """Landlock instead of a file tree: files, signals and sockets are cut off by rules that cannot be mounted over."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this machine offers, found by trying."""

    level: Level
    why_not_higher: str = ""
    """The mechanism that is missing, and the remedy; empty at the highest level."""
    uids: tuple[int, ...] = field(default=(), repr=False)
    """Unused user ids that candidates may be given; empty where the judge is not root."""
    network: namespaces.Network | None = None
    """An empty network; None where it is not permitted (seccomp refuses sockets all the same)."""

    @property
    def uid_changes(self) -> bool:
        """Whether candidates run as another user than the judge."""
        return bool(self.uids)

    def lowered(self, level: Level) -> "Isolation":
        """The same machine at a lower level, as tests and `--trust-candidates` need it.

        Raises:
            SandboxError: the level is not offered here.
        """
        if level > self.level:
            raise SandboxError(f"level {int(level)} is not offered here: {self.why_not_higher}")
        if level is Level.NAMESPACED and self.network is None:
            raise SandboxError("level 2 is not offered here: no network namespace")
        return replace(self, level=level, why_not_higher=f"lowered from level {int(self.level)}")


@dataclass(frozen=True, slots=True)
class Policy:
    """What one process may have; sizes in bytes. Folders count with all below them."""

    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()
    """Folders whose names may be listed, with all below them; what they hold stays unreadable."""
    executable: tuple[Path, ...] = ()
    """Readable too; a program's loader belongs here."""
    writable: tuple[Path, ...] = ()
    """The private folder, or nothing."""
    devices: tuple[Path, ...] = ()
    """Device nodes that it drives: read, written, controlled; with them comes its own folder in /proc."""
    may_fork: bool = False
    """Builds start other programs; a worker has threads at most, and changes no file."""
    cores: tuple[int, ...] | None = None
    """Set before the program starts, and not to be changed by it; None = the judge's own."""
    memory_bytes: int | None = 4 << 30
    """Address space; None = not limited, for a GPU's driver reserves more than there is."""
    file_bytes: int = 16 << 20
    """The largest file it may write; memory files count."""
    processes: int = 64
    """Processes and threads together."""
    open_files: int = 64
    stack_bytes: int = 64 << 20
    environment: Mapping[str, str] = field(default_factory=dict)
    """All of it: nothing is inherited."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to be started, with all that it inherits of the judge's descriptors."""

    command: Sequence[str | Path]
    """Its absolute path, and its arguments."""
    keep_fds: Sequence[int] = ()
    """Descriptors that keep their numbers."""
    stdout: int | None = None
    """None = what it writes is lost."""
    stderr: int | None = None


def launch(program: Program, policy: Policy, *, isolation: Isolation, folder: Path) -> Process:
    """Start a program in its private folder; return once it is running. It is killed when the judge ends.

    Raises:
        SandboxError: a guard could not be put up, or the program could not be started; the message says which.
    """
    image = spawn.ProgramImage(program.command, policy.environment)
    with guard("sandbox"), spawn.null_device() as null, _prepared(policy, isolation, folder=folder) as put_up:
        streams = (null, *(null if given is None else given for given in (program.stdout, program.stderr)))
        steps = [
            ("new session", os.setsid),
            ("signals", spawn.default_signals),
            ("descriptors", lambda: spawn.arrange_descriptors(streams, program.keep_fds)),
            *put_up,
            ("program", image.execute),
        ]
        return spawn.start(steps)


# --- the guards, in the order in which they are put up -------------------------------------------------------------


@contextmanager
def _prepared(policy: Policy, isolation: Isolation, *, folder: Path) -> Iterator[list[Step]]:
    """Everything that can be made before the fork; the child only applies it."""
    level, closing = isolation.level, list[int]()
    cores = policy.cores or os.sched_getaffinity(0)
    guards: list[Step] = [("cores", lambda: os.sched_setaffinity(0, cores))]
    try:
        if level >= Level.NAMESPACED and isolation.network is not None:
            guards.append(("network namespace", isolation.network.join))
        if level is Level.NAMESPACED:
            guards.append(("file tree", _tree(policy, folder).enter))
        guards.append(("folder", lambda: os.chdir(folder)))
        if level >= Level.CONFINED:
            guards += _user_guards(policy, isolation, folder=folder)
        guards += [("die with the judge", spawn.die_with_parent)]
        if level is Level.FULL:
            rules = landlock.ruleset(*_grants(policy))
            closing.append(rules)
            guards.append(("Landlock", lambda: landlock.enforce(rules, own_process=bool(policy.devices))))
        limits = _limits(policy, isolation)
        guards.append(("limits", lambda: spawn.set_limits(limits)))
        if level >= Level.CONFINED:
            guards.append(("seccomp", seccomp.program(_kind(policy)).install))
        yield guards
    except OSError as error:
        raise SandboxError(f"sandbox: {error}") from error
    finally:
        for descriptor in closing:
            os.close(descriptor)


def _grants(policy: Policy) -> tuple[landlock.Grant, ...]:
    return (
        landlock.Grant(policy.readable, landlock.READ),
        landlock.Grant(policy.executable, landlock.RUN),
        landlock.Grant(policy.writable, landlock.OWN),
        landlock.Grant(policy.devices, landlock.DRIVE),
        landlock.Grant(policy.listable, landlock.READ_DIR),
    )


def _kind(policy: Policy) -> seccomp.FilterKind:
    if policy.may_fork:
        return seccomp.FilterKind.BUILD
    return seccomp.FilterKind.GPU_WORKER if policy.devices else seccomp.FilterKind.WORKER


def _user_guards(policy: Policy, isolation: Isolation, *, folder: Path) -> list[Step]:
    """Another user where that is possible; no capabilities and no way to new ones in any case."""
    guards: list[Step] = [("capability bounds", privileges.close_bounding_set)]
    uid = folder.stat().st_uid
    if uid in isolation.uids and (closed := _closed(policy, folder=folder)):
        if isolation.level is Level.CONFINED:
            raise SandboxError(
                f"sandbox: at level 1 candidates run as user {uid}, to whom {closed} is closed; "
                "remedy: install where every user can read"
            )
        # Root without capabilities, held by Landlock or its file tree, owns its folder again.
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


def _closed(policy: Policy, *, folder: Path) -> Path | None:
    """What keeps a user who owns nothing from what the policy grants, or from the folder."""
    granted = {path for path in (*policy.readable, *policy.executable) if folder not in path.parents and path != folder}
    ways = (way for way in folder.resolve().parents if not way.stat().st_mode & 0o001)
    return _closed_among(frozenset(granted)) or next(ways, None)


@functools.lru_cache(maxsize=64)
def _closed_among(granted: frozenset[Path]) -> Path | None:
    """Asked once of hundreds of files: one that is closed later makes starts fail, and opens nothing."""
    places = {place for path in granted for place in (path, path.resolve())}
    ways = {parent for place in places for parent in place.parents}
    closed = [w for w in ways if not w.stat().st_mode & 0o001] + [p for p in places if not p.stat().st_mode & 0o004]
    return min(closed, default=None)


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
    """What already counts against a user's limit of processes."""
    count = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            count += len(os.listdir(place / "task")) if place.stat().st_uid == uid else 0
        except OSError:  # it ended while we looked
            continue
    return count


# --- the private folder --------------------------------------------------------------------------------------------


@contextmanager
def private_folder(isolation: Isolation) -> Iterator[Path]:
    """An empty folder for one process, which will run as the folder's owner; removed afterwards, whatever is in it.

    Raises:
        SandboxError: it could not be removed.
    """
    with ExitStack() as stack:
        with guard("sandbox"):
            folder = stack.enter_context(temporary.locked_folder())
        try:
            if isolation.level >= Level.CONFINED and isolation.uids:
                uid = isolation.uids[next(_turns) % len(isolation.uids)]
                os.chown(folder, uid, uid)
            yield folder
        finally:
            with guard("sandbox"):
                _remove(folder)


def _remove(folder: Path) -> None:
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    # Folders without permissions, nested deeper than Python follows, or filled until just now.
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], capture_output=True, check=False)
    if folder.exists():
        raise SandboxError(f"sandbox: {folder} cannot be removed")


# --- what this machine offers --------------------------------------------------------------------------------------


def probe(*, at_most: Level = Level.FULL) -> Isolation:
    """Try every level from `at_most` down, each in a throwaway child that checks that its guards hold."""
    uids = privileges.unused_uids() if os.geteuid() == 0 else ()
    try:
        network = namespaces.empty_network()
    except OSError:
        network = None
    reasons = [f"no more than level {int(at_most)} was asked for"] if at_most < Level.FULL else []
    for level, remedy in ((Level.FULL, _LANDLOCK), (Level.NAMESPACED, _NAMESPACES), (Level.CONFINED, _SECCOMP)):
        if level > at_most:
            continue
        found = Isolation(level, "; ".join(reasons), uids, network)
        try:
            _rehearse(found)
        except SandboxError as error:
            reasons.append(f"level {int(level)}: {str(error).removeprefix('sandbox: ')} ({remedy})")
        else:
            return found
    return Isolation(Level.BARE, "; ".join(reasons))


def _rehearse(isolation: Isolation) -> None:
    """Put up every guard in a child, and see that they hold."""
    if isolation.level is Level.NAMESPACED and isolation.network is None:
        raise SandboxError("network namespace: not permitted")
    if isolation.level is Level.CONFINED and os.geteuid() == 0 and not isolation.uids:
        raise SandboxError("user: root needs another user for its candidates")
    policy = Policy()
    with private_folder(isolation) as folder, _prepared(policy, isolation, folder=folder) as guards:
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
        raise OSError("a guard was put up and does not hold")


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False
