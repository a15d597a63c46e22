/* A disk that fills up, for programs started with LD_PRELOAD.
 *
 * Counts what needs space below the folder FULL_DISK_BELOW: new files and folders, writes, syncs
 * and renames that go through the C library. Those from number FULL_DISK_FROM to FULL_DISK_TO fail
 * with ENOSPC. Each is a line of the file FULL_DISK_LOG: its number, what it is, "full" or "ok",
 * and the path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long from = LONG_MAX, to = LONG_MAX;
static const char *below;
static size_t below_length;
static int record = -1;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FULL_DISK_FROM");
    if (text) from = atol(text);
    if ((text = getenv("FULL_DISK_TO"))) to = atol(text);
    if ((text = getenv("FULL_DISK_LOG")))
        record = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if ((below = getenv("FULL_DISK_BELOW"))) below_length = strlen(below);
}

/* Whether the call is one that fails. */
static int full(const char *what, const char *path) {
    if (!below || strncmp(path, below, below_length) != 0) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    int fails = number >= from && number <= to;
    if (record >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s %s\n", number, what, fails ? "full" : "ok", path);
        if (length > 0) syscall(SYS_write, record, line, (size_t)length);
    }
    if (fails) errno = ENOSPC;
    return fails;
}

static int full_at(const char *what, int folder, const char *path) {
    char whole[2 * PATH_MAX], base[PATH_MAX], link[64];
    if (path[0] == '/') return full(what, path);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return full(what, whole);
}

static int full_file(const char *what, int file) {
    char path[PATH_MAX], link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return full(what, path);
}

#define NEXT(name, result, ...) \
    static result (*next)(__VA_ARGS__); \
    if (!next) next = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A file that is there needs no space to be opened. */
static int full_open(int folder, const char *path, int flags) {
    int before = errno;
    int is_new = (flags & O_CREAT) && faccessat(folder, path, F_OK, 0) != 0;
    errno = before;
    return is_new && full_at("create", folder, path);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    NEXT(open, int, const char *, int, ...);
    MODE(flags)
    return full_open(AT_FDCWD, path, flags) ? -1 : next(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    NEXT(open64, int, const char *, int, ...);
    MODE(flags)
    return full_open(AT_FDCWD, path, flags) ? -1 : next(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    NEXT(openat, int, int, const char *, int, ...);
    MODE(flags)
    return full_open(folder, path, flags) ? -1 : next(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    NEXT(openat64, int, int, const char *, int, ...);
    MODE(flags)
    return full_open(folder, path, flags) ? -1 : next(folder, path, flags, mode);
}

ssize_t write(int file, const void *bytes, size_t length) {
    NEXT(write, ssize_t, int, const void *, size_t);
    return full_file("write", file) ? -1 : next(file, bytes, length);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
    NEXT(writev, ssize_t, int, const struct iovec *, int);
    return full_file("write", file) ? -1 : next(file, pieces, count);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    NEXT(pwrite, ssize_t, int, const void *, size_t, off_t);
    return full_file("write", file) ? -1 : next(file, bytes, length, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    NEXT(pwrite64, ssize_t, int, const void *, size_t, off64_t);
    return full_file("write", file) ? -1 : next(file, bytes, length, at);
}

int fsync(int file) {
    NEXT(fsync, int, int);
    return full_file("sync", file) ? -1 : next(file);
}

int fdatasync(int file) {
    NEXT(fdatasync, int, int);
    return full_file("sync", file) ? -1 : next(file);
}

int rename(const char *old, const char *new) {
    NEXT(rename, int, const char *, const char *);
    return full_at("rename", AT_FDCWD, new) ? -1 : next(old, new);
}

int renameat(int old_folder, const char *old, int folder, const char *new) {
    NEXT(renameat, int, int, const char *, int, const char *);
    return full_at("rename", folder, new) ? -1 : next(old_folder, old, folder, new);
}

int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir, int, const char *, mode_t);
    int before = errno;
    int is_new = faccessat(AT_FDCWD, path, F_OK, 0) != 0;
    errno = before;
    return is_new && full_at("folder", AT_FDCWD, path) ? -1 : next(path, mode);
}
