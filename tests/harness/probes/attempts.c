/* One thing a candidate might try, named by the first argument; says `done` and exits 0 if it worked, else says why
 * not and exits 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const char *what, *target;
static pid_t judge;

static int is(const char *name) { return strcmp(what, name) == 0; }

static int opens(const char *path, int flags)
{
    char byte;
    int descriptor = open(path, flags, 0666);
    if (descriptor < 0) {
        return -1;
    }
    return flags == O_RDONLY ? (int)read(descriptor, &byte, 1) - 1 : 0;
}

static int opens_of_judge(const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)judge, file);
    return opens(path, O_RDONLY);
}

static void *no_work(void *unused) { return unused; }

static int starts_thread(void)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, no_work, NULL);
    return errno ? -1 : pthread_join(thread, NULL);
}

static void *sleeps(void *unused)
{
    pause();
    return unused;
}

static int bombs_with_threads(void)
{
    int started = 0;
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    while (started < 2000 && pthread_create(&thread, &attributes, sleeps, NULL) == 0) {
        started++;
    }
    printf("threads %d\n", started);
    fflush(stdout);
    _exit(0);
}

static int forks(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return child < 0 ? -1 : 0;
}

static int lists(const char *path)
{
    DIR *folder = opendir(path);
    return folder != NULL && readdir(folder) != NULL ? 0 : -1;
}

static int lists_descriptors_of_judge(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)judge);
    return lists(path);
}

/* Opening is what is refused: the first byte is mapped nowhere. */
static int opens_memory_of_judge(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)judge);
    return open(path, O_RDONLY);
}

static int may_write_for_judge(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)judge);
    return open(path, O_WRONLY);
}

/* To a socket that listens: by its path, or with '@' in front by its abstract name. */
static int connects(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", target);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(target));
    if (target[0] == '@') {
        address.sun_path[0] = 0;
    }
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    return descriptor < 0 ? -1 : connect(descriptor, (struct sockaddr *)&address, size);
}

static int sends_datagram(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f000001)};
    int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    return descriptor < 0 ? -1 : (int)sendto(descriptor, "x", 1, 0, (struct sockaddr *)&address, sizeof address);
}

static int reads_memory_of_judge(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)strtoul(target, NULL, 0), 1};
    return process_vm_readv(judge, &here, 1, &there, 1, 0) == 1 ? 0 : -1;
}

static int changes_affinity(void)
{
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    return sched_setaffinity(0, sizeof all, &all);
}

static int counts_cores(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    printf("cores %d\n", CPU_COUNT(&set));
    return 0;
}

static int arms_timer_with_sigcont(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
    timer_t timer;
    return timer_create(CLOCK_MONOTONIC, &event, &timer);
}

static int allocates(void)
{
    void *memory = malloc((size_t)atol(target));
    return memory == NULL ? -1 : 0;
}

static int maps_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int lists_environment(void)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        printf("%s\n", *variable);
    }
    return 0;
}

static int lists_descriptors(void)
{
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        if (fcntl(descriptor, F_GETFD) >= 0) {
            printf("fd %d\n", descriptor);
        }
    }
    return 0;
}

static int maps_descriptor(void)
{
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(target), 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    strcpy(memory, "written by the worker");
    return 0;
}

static int fills_memory_file(void)
{
    int descriptor = memfd_create("big", 0);
    signal(SIGXFSZ, SIG_IGN);
    return ftruncate(descriptor, atol(target));
}

static int tells_capabilities(void)
{
    struct { unsigned version; int pid; } header = {0x20080522, 0};
    unsigned data[6] = {0};
    syscall(SYS_capget, &header, data);
    printf("capabilities %x %x uid %d\n", data[0] | data[3], data[1] | data[4], (int)getuid());
    return 0;
}

static _Noreturn void keeps_running(void)
{
    for (volatile long i = 0;; i++) {
    }
}

static int attempt(void)
{
    if (is("read")) return opens(target, O_RDONLY);
    if (is("write")) return opens(target, O_WRONLY | O_CREAT);
    if (is("chmod")) return chmod(target, 0777);
    if (is("judge-environ")) return opens_of_judge("environ");
    if (is("judge-maps")) return opens_of_judge("maps");
    if (is("judge-mem")) return opens_memory_of_judge();
    if (is("judge-cmdline")) return opens_of_judge("cmdline");
    if (is("judge-descriptors")) return lists_descriptors_of_judge();
    if (is("judge-oom-score")) return may_write_for_judge();
    if (is("list")) return lists(target);
    if (is("exec")) { char *const none[] = {NULL}; return execve("/bin/true", none, none); }
    if (is("connect")) return connects();
    if (is("udp-send")) return sends_datagram();
    if (is("judge-vm-read")) return reads_memory_of_judge();
    if (is("judge-ptrace")) return (int)ptrace(PTRACE_SEIZE, judge, 0, 0);
    if (is("judge-signal")) return kill(judge, SIGURG);
    if (is("judge-signal-0")) return kill(judge, 0);
    if (is("judge-affinity")) { cpu_set_t set; CPU_ZERO(&set); CPU_SET(0, &set); return sched_setaffinity(judge, sizeof set, &set); }
    if (is("judge-priority")) return setpriority(PRIO_PROCESS, (id_t)judge, 19);
    if (is("judge-limits")) { struct rlimit none = {0, 0}; return prlimit(judge, RLIMIT_NOFILE, NULL, &none); }
    if (is("judge-pidfd")) return (int)syscall(SYS_pidfd_open, judge, 0);
    if (is("group-signal")) return kill(0, SIGURG);
    if (is("setsid")) return setsid();
    if (is("setpgid")) return setpgid(0, 0);
    if (is("affinity")) return changes_affinity();
    if (is("nice")) return setpriority(PRIO_PROCESS, 0, 19);
    if (is("tcp")) return socket(AF_INET, SOCK_STREAM, 0);
    if (is("udp")) return socket(AF_INET, SOCK_DGRAM, 0);
    if (is("unix")) return socket(AF_UNIX, SOCK_STREAM, 0);
    if (is("netlink")) return socket(AF_NETLINK, SOCK_RAW, 0);
    if (is("shm")) return shmget(1234, 4096, IPC_CREAT | 0666);
    if (is("io_uring")) { char parameters[256] = {0}; return (int)syscall(425, 4, parameters); }
    if (is("perf")) { char attributes[128] = {0}; return (int)syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0); }
    if (is("unshare")) return unshare(CLONE_NEWUSER);
    if (is("namespace-clone")) return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (is("unset-parent-death")) return prctl(PR_SET_PDEATHSIG, 0);
    if (is("timer-sigcont")) return arms_timer_with_sigcont();
    if (is("self-sigcont")) return kill(getpid(), SIGCONT);
    if (is("async-signal")) return fcntl(0, F_SETSIG, SIGCONT);
    if (is("fork")) return forks();
    if (is("thread-bomb")) return bombs_with_threads();
    if (is("thread")) return starts_thread();
    if (is("cores")) return counts_cores();
    if (is("allocate")) return allocates();
    if (is("memory-file")) return fills_memory_file();
    if (is("map-code")) return maps_code();
    if (is("environment")) return lists_environment();
    if (is("descriptors")) return lists_descriptors();
    if (is("map-descriptor")) return maps_descriptor();
    if (is("capabilities")) return tells_capabilities();
    if (is("run")) keeps_running();
    if (is("abort")) abort();
    if (is("raise-fpe")) return raise(SIGFPE);
    if (is("segfault")) { *(volatile int *)8 = 1; }
    if (is("exit")) _exit(atoi(target));
    errno = EINVAL;
    return -1;
}

int main(int argc, char **argv)
{
    what = argc > 1 ? argv[1] : "";
    target = argc > 2 ? argv[2] : "";
    judge = getppid();
    if (attempt() < 0) {
        printf("refused: %s\n", strerror(errno));
        return 1;
    }
    printf("done\n");
    return 0;
}
