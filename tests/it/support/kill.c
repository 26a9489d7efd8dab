/* Ends the program `reconcile` with SIGKILL before the KILL_AT-th call that changes something below KILL_BELOW.
 * Loaded before the C library (ld.so(8), LD_PRELOAD); programs that it starts are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int counted;

static void count(const char *path)
{
    const char *below = getenv("KILL_BELOW"), *at = getenv("KILL_AT");
    if (!below || !at || !path || !strstr(path, below) || strcmp(program_invocation_short_name, "reconcile"))
        return;
    if (__sync_add_and_fetch(&counted, 1) == atoi(at))
        kill(getpid(), SIGKILL);
}

static void count_file(int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        count(path);
    }
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int rename(const char *from, const char *to) { count(to); return REAL(int, "rename", const char *, const char *)(from, to); }
int unlink(const char *path) { count(path); return REAL(int, "unlink", const char *)(path); }
int rmdir(const char *path) { count(path); return REAL(int, "rmdir", const char *)(path); }
int mkdir(const char *path, mode_t mode) { count(path); return REAL(int, "mkdir", const char *, mode_t)(path, mode); }
int fsync(int file) { count_file(file); return REAL(int, "fsync", int)(file); }
int fdatasync(int file) { count_file(file); return REAL(int, "fdatasync", int)(file); }
int ftruncate64(int file, off64_t length) { count_file(file); return REAL(int, "ftruncate64", int, off64_t)(file, length); }
ssize_t write(int file, const void *bytes, size_t length) { count_file(file); return REAL(ssize_t, "write", int, const void *, size_t)(file, bytes, length); }

int unlinkat(int directory, const char *path, int flags)
{
    path[0] == '/' ? count(path) : count_file(directory);
    return REAL(int, "unlinkat", int, const char *, int)(directory, path, flags);
}

int renameat2(int from, const char *one, int to, const char *other, unsigned flags)
{
    count(other);
    return REAL(int, "renameat2", int, const char *, int, const char *, unsigned)(from, one, to, other, flags);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (flags & O_CREAT)
        count(path);
    return REAL(int, "open64", const char *, int, ...)(path, flags, mode);
}
