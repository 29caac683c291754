/* The program of a CPU worker: maps the judge's buffers, loads one candidate, and runs the batches that the judge
 * requests.
 *
 *     worker ORDERS_FD STATUS_FD INPUTS_FD OUTPUTS_FD CANDIDATE
 *
 * The program starts inside the sandbox. It has no access to a key, a reference, a clock of the judge, or a path of the
 * judge. No result depends on what it writes to `status`: `done` only says when the judge may read the outputs.
 *
 * layout.py defines the words of orders and status. The build passes its numbers as LAYOUT_ definitions, and the
 * assertions below compare them with the structures.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_BUFFERS = LAYOUT_MAX_BUFFERS, MAX_SIZES = LAYOUT_MAX_SIZES };

struct orders { /* written by the judge; this process maps it read-only */
    uint64_t sequence;
    uint64_t calls;
    uint64_t n_buffers;
    uint64_t is_output[MAX_BUFFERS];
    int64_t sizes[MAX_SIZES];
    uint64_t manner; /* always 0 (CALL): a CPU worker cannot capture calls */
    uint64_t offsets[]; /* [calls][n_buffers], byte offsets into inputs or outputs */
};

struct status { /* written by this process; no result depends on its truth */
    uint64_t ready;
    uint64_t done;
    uint64_t fault; /* unused: a CPU candidate that fails ends by a signal */
    char error[512];
};

#define LIES_AT(type, member, word)                                                                                    \
    _Static_assert(offsetof(type, member) == 8 * (word), "layout.py places " #member " elsewhere")
LIES_AT(struct orders, calls, LAYOUT_CALLS);
LIES_AT(struct orders, n_buffers, LAYOUT_N_BUFFERS);
LIES_AT(struct orders, is_output, LAYOUT_IS_OUTPUT);
LIES_AT(struct orders, sizes, LAYOUT_SIZES);
LIES_AT(struct orders, manner, LAYOUT_MANNER);
LIES_AT(struct orders, offsets, LAYOUT_OFFSETS);
LIES_AT(struct status, done, LAYOUT_DONE);
LIES_AT(struct status, fault, LAYOUT_FAULT);
LIES_AT(struct status, error, LAYOUT_ERROR);

typedef void candidate_call(void *const *buffers, const int64_t *sizes);

static void *map_descriptor(const char *number, int protection)
{
    int descriptor = atoi(number);
    struct stat info;
    if (fstat(descriptor, &info) != 0) {
        _exit(101);
    }
    /* MAP_POPULATE: no page fault may happen in a timed call. */
    void *memory = mmap(NULL, (size_t)info.st_size, protection, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (memory == MAP_FAILED) {
        _exit(102);
    }
    close(descriptor);
    return memory;
}

/* The launcher's filter had to allow exec to start this program; from now on exec is forbidden. */
static void forbid_exec(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_execve, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_execveat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(103);
    }
}

static candidate_call *load(const char *path, struct status *status)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    candidate_call *call = NULL;
    if (library != NULL) {
        *(void **)&call = dlsym(library, "ks_call");
    }
    if (call == NULL) {
        snprintf(status->error, sizeof status->error, "%s", dlerror());
        _exit(104);
    }
    return call;
}

static void run_batch(const struct orders *orders, candidate_call *call, char *inputs, char *outputs)
{
    for (uint64_t i = 0; i < orders->calls; i++) {
        void *buffers[MAX_BUFFERS];
        for (uint64_t b = 0; b < orders->n_buffers; b++) {
            buffers[b] = (orders->is_output[b] ? outputs : inputs) + orders->offsets[i * orders->n_buffers + b];
        }
        call(buffers, orders->sizes);
    }
    /* Streaming stores bypass the cache. Without a fence, those of an honest kernel could become visible too late. */
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        return 100;
    }
    const struct orders *orders = map_descriptor(argv[1], PROT_READ);
    struct status *status = map_descriptor(argv[2], PROT_READ | PROT_WRITE);
    char *inputs = map_descriptor(argv[3], PROT_READ);
    char *outputs = map_descriptor(argv[4], PROT_READ | PROT_WRITE);
    forbid_exec();
    candidate_call *call = load(argv[5], status);
    __atomic_store_n(&status->ready, 1, __ATOMIC_RELEASE);
    for (uint64_t served = 0;;) {
        uint64_t wanted = __atomic_load_n(&orders->sequence, __ATOMIC_ACQUIRE);
        if (wanted == served) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
            continue;
        }
        run_batch(orders, call, inputs, outputs);
        served = wanted;
        __atomic_store_n(&status->done, served, __ATOMIC_RELEASE);
    }
}
