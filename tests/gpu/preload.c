/* The driver of a card that has fallen off its bus: while the file exists that LOST_CARD names, no call succeeds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

enum { NO_DEVICE = 100 };

int cudaStreamSynchronize(void *stream)
{
    static int (*real)(void *);
    if (access(getenv("LOST_CARD"), F_OK) == 0)
        return NO_DEVICE;
    if (real == NULL)
        real = (int (*)(void *))dlsym(RTLD_NEXT, "cudaStreamSynchronize");
    return real(stream);
}
