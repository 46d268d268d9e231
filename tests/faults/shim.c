/* Loaded before a process (LD_PRELOAD), this makes the disk below one folder fail at a chosen call,
 * and keeps what a power cut needs: the bytes and names that were there before, until a sync.
 *
 * The control file, which $FAULTS names, is shared memory of all processes of a test: `struct
 * control`, little endian. Beside it stands the log (`.log`) that tests/faults/disk.rs reads. Own
 * calls go to the kernel directly. Not seen: what goes through a shared mapping, which of SQLite's
 * files is only the index of the log, made anew after every crash; and raw system calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, LOCK = 8, MAP = 16, NAME = 32, FOLDER = 64 };
enum { FAIL = 1, SHORT = 2, KILL = 3 };

struct control {
    uint64_t calls;       /* of the classes in mask, so far */
    uint64_t first, last; /* which of them fail; from 1 on, last included */
    uint64_t mask, action, error;
    uint64_t fired;       /* how many did */
    uint64_t logs;        /* keep the log? */
    char below[PATH_MAX];
};

static struct control *control;
static int logfile = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS");
    if (!path) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    int access = PROT_READ | PROT_WRITE;
    void *at = (void *)syscall(SYS_mmap, NULL, sizeof *control, access, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at == MAP_FAILED) return;
    char log[PATH_MAX];
    strncpy(log, path, sizeof log - 5);
    log[sizeof log - 5] = 0;
    strcat(log, ".log");
    logfile = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    control = at;
}

static int below(const char *path) {
    size_t len = strlen(control->below);
    return len && !strncmp(path, control->below, len) && (path[len] == '/' || !path[len]);
}

static int path_of(int fd, char *path) {
    char link[32] = "/proc/self/fd/", digits[12];
    int at = 0, n = fd;
    if (!control || fd < 0) return 0;
    do digits[at++] = '0' + n % 10; while ((n /= 10));
    for (char *to = link + 14; at; *to = 0) *to++ = digits[--at];
    int saved = errno;
    ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    errno = saved;
    if (len <= 0) return 0;
    path[len] = 0;
    return below(path);
}

/* Does this call fail? Then with errno set; or it does not come back. */
static int fails(int class) {
    if (!(control->mask & class)) return 0;
    uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (call < control->first || call > control->last) return 0;
    __atomic_add_fetch(&control->fired, 1, __ATOMIC_SEQ_CST);
    if (control->action == KILL) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        for (;;) syscall(SYS_pause);
    }
    if (control->action == SHORT && call == control->first) return SHORT;
    errno = control->error;
    return FAIL;
}

struct record { uint32_t what, name; uint64_t inode, offset, size, len; };

static void note(uint32_t what, uint64_t inode, uint64_t offset, uint64_t size, const char *name,
                 const void *bytes, uint64_t len) {
    if (!control->logs) return;
    int saved = errno;
    struct record record = {what, name ? strlen(name) : 0, inode, offset, size, len};
    struct iovec all[3] = {{&record, sizeof record}, {(void *)name, record.name}, {(void *)bytes, len}};
    syscall(SYS_writev, logfile, all, 3);
    errno = saved;
}

/* Notes the bytes that stand from `offset` on, `len` of them at most. */
static void note_bytes(uint32_t what, const char *path, const char *name, uint64_t offset, uint64_t len) {
    if (!control->logs) return;
    int saved = errno;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (fd >= 0 && !fstat(fd, &stat) && S_ISREG(stat.st_mode)) {
        uint64_t size = stat.st_size, there = offset < size ? size - offset : 0;
        if (there > len) there = len;
        char *bytes = malloc(there + 1);
        ssize_t got = syscall(SYS_pread64, fd, bytes, there, offset);
        note(what, stat.st_ino, offset, what == 'W' ? size : len, name, bytes, got > 0 ? got : 0);
        /* For a write, how far it goes: sectors behind the old end are of it too. */
        if (what == 'W') note('L', stat.st_ino, offset, len, NULL, NULL, 0);
        free(bytes);
    }
    if (fd >= 0) syscall(SYS_close, fd);
    errno = saved;
}

static int sync_fd(int fd, long number) {
    char path[PATH_MAX];
    struct stat stat;
    int seen = path_of(fd, path) && !fstat(fd, &stat), folder = seen && S_ISDIR(stat.st_mode);
    if (seen && fails(folder ? SYNC | FOLDER : SYNC)) return -1;
    int done = syscall(number, fd);
    if (seen && !done)
        note(folder ? 'D' : 'S', stat.st_ino, 0, 0, path, NULL, 0);
    return done;
}
int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }

/* What a write may write of `len` bytes; -1 where it fails. */
static ssize_t may_write(int fd, off_t offset, size_t len) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return len;
    int how = fails(WRITE);
    if (how == FAIL) return -1;
    if (offset < 0) {
        struct stat stat;
        int append = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
        offset = append && !fstat(fd, &stat) ? stat.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    if (how == SHORT && len > 1) len /= 2;
    note_bytes('W', path, NULL, offset < 0 ? 0 : offset, len);
    return len;
}
ssize_t write(int fd, const void *bytes, size_t len) {
    ssize_t may = may_write(fd, -1, len);
    return may < 0 ? -1 : syscall(SYS_write, fd, bytes, may);
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) {
    ssize_t may = may_write(fd, offset, len);
    return may < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, may, offset);
}
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) { return pwrite64(fd, bytes, len, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t len = 0;
    for (int at = 0; at < count; at++) len += parts[at].iov_len;
    return may_write(fd, -1, len) < 0 ? -1 : syscall(SYS_writev, fd, parts, count);
}

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    if (path_of(fd, path)) {
        if (fails(TRUNCATE)) return -1;
        note_bytes('T', path, NULL, size, INT32_MAX);
    }
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int lock_call(int fd, int command, void *argument) {
    char path[PATH_MAX];
    int locks = command == F_SETLK || command == F_SETLKW;
    if (locks && path_of(fd, path) && fails(LOCK)) return -1;
    return syscall(SYS_fcntl, fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return lock_call(fd, command, argument);
}
int fcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return lock_call(fd, command, argument);
}
int flock(int fd, int how) {
    char path[PATH_MAX];
    if (path_of(fd, path) && fails(LOCK)) return -1;
    return syscall(SYS_flock, fd, how);
}

void *mmap64(void *at, size_t len, int access, int flags, int fd, off64_t offset) {
    char path[PATH_MAX];
    if (path_of(fd, path) && fails(MAP)) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, len, access, flags, fd, offset);
}
void *mmap(void *at, size_t len, int access, int flags, int fd, off_t offset) {
    return mmap64(at, len, access, flags, fd, offset);
}

static int open_path(int folder, const char *path, int flags, int mode) {
    int seen = control && path[0] == '/' && below(path);
    int makes = seen && (flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE
        && syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
    if (makes && fails(NAME)) return -1;
    if (seen && (flags & O_TRUNC)) {
        if (!makes && fails(TRUNCATE)) return -1;
        note_bytes('T', path, NULL, 0, INT32_MAX);
    }
    int fd = syscall(SYS_openat, folder, path, flags | O_LARGEFILE, mode);
    if (makes && fd >= 0) note('C', 0, 0, 0, path, NULL, 0);
    return fd;
}
#define OPENS(name, before, folder) \
    int name(before const char *path, int flags, ...) { \
        va_list list; \
        va_start(list, flags); \
        int mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(list, int) : 0; \
        va_end(list); \
        return open_path(folder, path, flags, mode); \
    }
#define NOTHING
#define FOLDER int folder,
OPENS(open, NOTHING, AT_FDCWD)
OPENS(open64, NOTHING, AT_FDCWD)
OPENS(openat, FOLDER, folder)
OPENS(openat64, FOLDER, folder)

/* Two names as one, for the log: `a\nb`. */
static int two_names(char what, const char *a, const char *b) {
    if (!control || b[0] != '/' || !below(b)) return 0;
    if (fails(NAME)) return -1;
    char both[2 * PATH_MAX];
    strcpy(both, a);
    strcat(both, "\n");
    strcat(both, b);
    if (what == 'R') note_bytes('O', b, b, 0, INT32_MAX);
    note(what, 0, 0, 0, both, NULL, 0);
    return 0;
}
int rename(const char *from, const char *to) {
    if (two_names('R', from, to)) return -1;
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
    if (two_names('C', "", to)) return -1;
    return syscall(SYS_linkat, a, from, b, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int unlink(const char *path) {
    if (control && path[0] == '/' && below(path)) {
        if (fails(NAME)) return -1;
        note_bytes('U', path, path, 0, INT32_MAX);
    }
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
