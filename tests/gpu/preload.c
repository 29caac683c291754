/* A card that has fallen off its bus: while the file exists that LOST_CARD names, the kernel's driver does not answer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { LETTER = 'F' }; /* of the driver's requests, in bits 8 to 15 of their number */

int ioctl(int descriptor, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, void *);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (real == NULL)
        real = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    if ((request >> 8 & 0xff) == LETTER && access(getenv("LOST_CARD"), F_OK) == 0) {
        errno = ENODEV;
        return -1;
    }
    return real(descriptor, request, argument);
}
