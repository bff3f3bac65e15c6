/*
 * Loaded before the C library into the program under test (LD_PRELOAD), this stands between it and one folder:
 *
 *   CRASH_FOLDER   the folder, as an absolute path without links
 *   CRASH_RECORD   appends each change of a file there to this file: images.py makes from it what a power cut leaves
 *   CRASH_KILL     KIND:SUFFIX:COUNT:WHEN ends the program at a named point, as SIGKILL does: at the COUNT-th call of
 *                  this KIND (open write truncate sync rename link unlink any) on a file whose name ends in SUFFIX,
 *                  `before` it, `after` it, or `torn`, when half of what was to be written is
 *   CRASH_CONTROL  three 32-bit numbers in a file that may change at any time: which calls fail (1 writes, 2 syncs),
 *                  with which errno, and whether calls are counted for CRASH_KILL, as they always are without this file
 *
 * Only what SQLite and Rust's standard library call is here. The `-shm` of SQLite is left alone: it is a mapping, which
 * is made anew from the WAL.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
#define FOLDER "."

enum kind { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, LINK, UNLINK, SYNC_FAILED };
enum fault { FAIL_WRITES = 1, FAIL_SYNCS = 2 };

/* What stands before the name and the data of each record, little-endian; images.py reads the same. */
struct header {
    uint32_t kind, file, name_length, length;
    uint64_t offset;
};

static struct {
    pthread_mutex_t lock;
    char folder[PATH_MAX];
    size_t folder_length;
    int log;
    uint64_t log_length;
    uint32_t opened;
    char kill_kind[16], kill_suffix[64], kill_when[16];
    long kill_count;
    volatile int32_t *control;
    /* By descriptor: the number of the open file, 0 for what is not in the folder, and its name. */
    uint32_t file[FILES];
    char *name[FILES];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("CRASH_FOLDER"), *log = getenv("CRASH_RECORD"), *control = getenv("CRASH_CONTROL");
    const char *point = getenv("CRASH_KILL");
    if (!folder) return;
    snprintf(state.folder, sizeof state.folder, "%s", folder);
    state.folder_length = strlen(state.folder);
    if (log) {
        state.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        state.log_length = (uint64_t)lseek(state.log, 0, SEEK_END);
    }
    if (control) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
        void *page = mmap(NULL, 3 * sizeof *state.control, PROT_READ, MAP_SHARED, file, 0);
        if (page == MAP_FAILED) abort();
        state.control = page;
        syscall(SYS_close, file);
    }
    if (point && sscanf(point, "%15[^:]:%63[^:]:%ld:%15s", state.kill_kind, state.kill_suffix, &state.kill_count,
                        state.kill_when) != 4)
        abort();
}

/* The name of a file in the folder, FOLDER for the folder itself, or null. */
static const char *name_of(const char *path) {
    if (!state.folder_length || strncmp(path, state.folder, state.folder_length)) return NULL;
    const char *rest = path + state.folder_length;
    if (!*rest || !strcmp(rest, "/")) return FOLDER;
    if (*rest != '/' || strchr(rest + 1, '/')) return NULL;
    size_t length = strlen(rest);
    return length > 4 && !strcmp(rest + length - 4, "-shm") ? NULL : rest + 1;
}

static const char *name_of_file(int file) { return file >= 0 && file < FILES && state.file[file] ? state.name[file] : NULL; }

static void append(enum kind kind, uint32_t file, uint64_t offset, const char *name, const void *data, size_t length) {
    if (state.log < 0) return;
    struct header header = {kind, file, (uint32_t)strlen(name), (uint32_t)length, offset};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)name, strlen(name)}, {(void *)data, length}};
    ssize_t whole = (ssize_t)(sizeof header + strlen(name) + length);
    if (syscall(SYS_writev, state.log, parts, 3) != whole) abort();
    state.log_length += (uint64_t)whole;
}

static void end(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether the program is to end at this call. Called with the lock. */
static int is_last(const char *kind, const char *name) {
    if (state.control && !state.control[2]) return 0;
    if (state.kill_count <= 0 || (strcmp(state.kill_kind, "any") && strcmp(state.kill_kind, kind))) return 0;
    size_t length = strlen(name), suffix = strlen(state.kill_suffix);
    int every = !strcmp(state.kill_suffix, "*");
    if (!every && (length < suffix || strcmp(name + length - suffix, state.kill_suffix))) return 0;
    if (--state.kill_count) return 0;
    if (!strcmp(state.kill_when, "before")) end();
    return 1;
}

static int fails(enum fault calls) {
    if (!state.control || !(state.control[0] & calls)) return 0;
    errno = state.control[1];
    return 1;
}

static int opens(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    const char *name = name_of(path);
    if (!name) return real(path, flags, mode);
    pthread_mutex_lock(&state.lock);
    int makes = (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
    int last = makes && is_last("open", name), file = -1;
    if (!makes || !fails(FAIL_WRITES)) file = real(path, flags, mode);
    if (file >= 0 && file < FILES) {
        free(state.name[file]);
        state.name[file] = strdup(name);
        state.file[file] = ++state.opened;
        append(OPEN, state.opened, (uint64_t)((flags & O_TRUNC) != 0), name, NULL, 0);
    }
    if (last) end();
    pthread_mutex_unlock(&state.lock);
    return file;
}

#define OPENS(function)                                                                                                \
    int function(const char *path, int flags, ...) {                                                                   \
        REAL(function);                                                                                                \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        return opens(real, path, flags, mode);                                                                         \
    }
OPENS(open)
OPENS(open64)

int close(int file) {
    REAL(close);
    if (file >= 0 && file < FILES) state.file[file] = 0;
    return real(file);
}

/* A write at this offset, or where the file stands when it is negative. */
static ssize_t writes(int file, const void *data, size_t length, off64_t offset) {
    const char *name = name_of_file(file);
    if (!name) return offset < 0 ? syscall(SYS_write, file, data, length) : syscall(SYS_pwrite64, file, data, length, offset);
    pthread_mutex_lock(&state.lock);
    int last = is_last("write", name);
    ssize_t written = -1;
    if (last && !strcmp(state.kill_when, "torn")) length /= 2;
    if (!fails(FAIL_WRITES)) {
        off64_t at = offset < 0 ? lseek64(file, 0, SEEK_CUR) : offset;
        written = syscall(SYS_pwrite64, file, data, length, at);
        if (written > 0 && offset < 0) lseek64(file, at + written, SEEK_SET);
        if (written > 0) append(WRITE, state.file[file], (uint64_t)at, name, data, (size_t)written);
    }
    if (last) end();
    pthread_mutex_unlock(&state.lock);
    return written;
}

ssize_t write(int file, const void *data, size_t length) { return writes(file, data, length, -1); }
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return writes(file, data, length, offset); }
ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) { return writes(file, data, length, offset); }

static int truncates(int file, off64_t length) {
    const char *name = name_of_file(file);
    if (!name) return (int)syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&state.lock);
    int last = is_last("truncate", name), result = -1;
    if (!fails(FAIL_WRITES)) result = (int)syscall(SYS_ftruncate, file, length);
    if (!result) append(TRUNCATE, state.file[file], (uint64_t)length, name, NULL, 0);
    if (last) end();
    pthread_mutex_unlock(&state.lock);
    return result;
}

int ftruncate(int file, off_t length) { return truncates(file, length); }
int ftruncate64(int file, off64_t length) { return truncates(file, length); }

/* Others go on writing meanwhile: what is durable afterwards is what stood in the record when the sync began. */
static int syncs(int file, int (*real)(int)) {
    const char *name = name_of_file(file);
    if (!name) return real(file);
    pthread_mutex_lock(&state.lock);
    int last = is_last("sync", name), result = -1;
    uint32_t number = state.file[file];
    uint64_t began = state.log_length;
    append(SYNC_BEGIN, number, 0, name, NULL, 0);
    pthread_mutex_unlock(&state.lock);
    if (!fails(FAIL_SYNCS)) result = real(file);
    int error = errno;
    pthread_mutex_lock(&state.lock);
    append(result ? SYNC_FAILED : SYNC_END, number, began, name, NULL, 0);
    if (last) end();
    pthread_mutex_unlock(&state.lock);
    errno = error;
    return result;
}

int fsync(int file) {
    REAL(fsync);
    return syncs(file, real);
}
int fdatasync(int file) {
    REAL(fdatasync);
    return syncs(file, real);
}

/* A change of the folder's entries: a new name and, for all but unlink, the old one as data. */
#define CHANGES(kind, word, path, other, call)                                                                         \
    const char *name = name_of(path);                                                                                  \
    if (!name) return call;                                                                                            \
    const char *from = name_of(other) ? name_of(other) : "";                                                           \
    pthread_mutex_lock(&state.lock);                                                                                   \
    int last = is_last(word, name), result = fails(FAIL_WRITES) ? -1 : call;                                           \
    if (!result) append(kind, 0, 0, name, from, strlen(from));                                                         \
    if (last) end();                                                                                                   \
    pthread_mutex_unlock(&state.lock);                                                                                 \
    return result

int rename(const char *from_path, const char *path) {
    REAL(rename);
    CHANGES(RENAME, "rename", path, from_path, real(from_path, path));
}
int linkat(int from_folder, const char *from_path, int folder, const char *path, int flags) {
    REAL(linkat);
    CHANGES(LINK, "link", path, from_path, real(from_folder, from_path, folder, path, flags));
}
int unlink(const char *path) {
    REAL(unlink);
    CHANGES(UNLINK, "unlink", path, "", real(path));
}
