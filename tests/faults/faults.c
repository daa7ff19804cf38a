/* Preloaded under a dcat process: makes its n-th operation on files below one folder fail, and writes down all that were done.
 *
 * What SQLite and Python do to files goes through the C library's functions, so the functions of the same names here see it all but
 * mapped memory (SQLite's shared-memory index, which no crash keeps). `faults_arm` and `faults_record` are called by the process itself
 * after it was forked. Each record is one line of text, then the bytes that were written, if any.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, READ = 4, SYNC = 8, NAME = 16 };
enum { FILES = 4096 };

static char folder[4096];
static char below[FILES]; /* whether a descriptor is one of a file in the folder */
static long countdown, counted;
static int failure, kinds, lasting, record = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

void faults_watch(const char *path) { snprintf(folder, sizeof folder, "%s/", path); }

void faults_arm(long at, int error, int which, int stays) {
    counted = 0;
    countdown = at;
    failure = error;
    kinds = which;
    lasting = stays;
}

long faults_counted(void) { return counted; }

void faults_record(const char *path) {
    int fd = REAL(open64)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    record = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    REAL(close)(fd);
}

static void say(const char *bytes, size_t length, const char *form, ...) {
    char line[9000];
    if (record < 0) return;
    va_list values;
    va_start(values, form);
    int size = vsnprintf(line, sizeof line, form, values);
    va_end(values);
    if (REAL(write)(record, line, size) != size) _exit(98);
    while (length) {
        ssize_t done = REAL(write)(record, bytes, length);
        if (done <= 0) _exit(98);
        bytes += done;
        length -= done;
    }
}

void faults_mark(const char *text) { say(NULL, 0, "mark %s\n", text); }

static int inside(const char *path) { return folder[0] && !strncmp(path, folder, strlen(folder)); }
static int watched(int fd) { return fd >= 0 && fd < FILES && below[fd]; }

static int fails(int kind) {
    if (!failure || !(kinds & kind)) return 0;
    long number = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
    if (countdown <= 0 || (lasting ? number < countdown : number != countdown)) return 0;
    errno = failure;
    return 1;
}

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FILES) return fd;
    below[fd] = inside(path);
    if (below[fd]) say(NULL, 0, "open %d %d %d %s\n", fd, !existed, (flags & O_TRUNC) != 0, path);
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode) {
    if (!inside(path)) return opened(REAL(open64)(path, flags, mode), path, flags, 1);
    if (fails(OPEN)) return -1;
    pthread_mutex_lock(&lock);
    int existed = access(path, F_OK) == 0;
    int fd = opened(REAL(open64)(path, flags, mode), path, flags, existed);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags)                                                                                                                \
    mode_t mode = 0;                                                                                                               \
    if ((flags) & O_CREAT) {                                                                                                       \
        va_list values;                                                                                                            \
        va_start(values, flags);                                                                                                   \
        mode = va_arg(values, mode_t);                                                                                             \
        va_end(values);                                                                                                            \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_any(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_any(path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd < FILES) below[fd] = 0;
    return REAL(close)(fd);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset) {
    if (fails(WRITE)) return -1;
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(pwrite64)(fd, bytes, length, offset);
    if (done > 0) say(bytes, done, "write %d %ld %zd\n", fd, (long) offset, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return watched(fd) ? write_at(fd, bytes, length, offset) : REAL(pwrite64)(fd, bytes, length, offset);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!watched(fd)) return REAL(write)(fd, bytes, length);
    off_t offset = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = write_at(fd, bytes, length, offset);
    if (done > 0) lseek(fd, offset + done, SEEK_SET);
    return done;
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
    return watched(fd) && fails(READ) ? -1 : REAL(pread64)(fd, bytes, length, offset);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t offset) { return pread64(fd, bytes, length, offset); }
ssize_t read(int fd, void *bytes, size_t length) { return watched(fd) && fails(READ) ? -1 : REAL(read)(fd, bytes, length); }

int ftruncate64(int fd, off64_t length) {
    if (!watched(fd)) return REAL(ftruncate64)(fd, length);
    if (fails(WRITE)) return -1;
    pthread_mutex_lock(&lock);
    int failed = REAL(ftruncate64)(fd, length);
    if (!failed) say(NULL, 0, "cut %d %ld\n", fd, (long) length);
    pthread_mutex_unlock(&lock);
    return failed;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_any(int fd, int (*real)(int)) {
    if (!watched(fd)) return real(fd);
    if (fails(SYNC)) return -1;
    pthread_mutex_lock(&lock);
    int failed = real(fd);
    if (!failed) say(NULL, 0, "sync %d\n", fd);
    pthread_mutex_unlock(&lock);
    return failed;
}
int fsync(int fd) { return sync_any(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_any(fd, REAL(fdatasync)); }

#define NAMED(verb, call, form, ...)                                                                                               \
    if (fails(NAME)) return -1;                                                                                                    \
    pthread_mutex_lock(&lock);                                                                                                     \
    int failed = call;                                                                                                             \
    if (!failed) say(NULL, 0, verb " " form "\n", __VA_ARGS__);                                                                    \
    pthread_mutex_unlock(&lock);                                                                                                   \
    return failed;

int rename(const char *from, const char *to) {
    if (!inside(to)) return REAL(rename)(from, to);
    NAMED("rename", REAL(rename)(from, to), "%s\t%s", from, to)
}
int link(const char *from, const char *to) {
    if (!inside(to)) return REAL(link)(from, to);
    NAMED("link", REAL(link)(from, to), "%s\t%s", from, to)
}
int unlink(const char *path) {
    if (!inside(path)) return REAL(unlink)(path);
    NAMED("unlink", REAL(unlink)(path), "%s", path)
}
int mkdir(const char *path, mode_t mode) {
    if (!inside(path)) return REAL(mkdir)(path, mode);
    NAMED("mkdir", REAL(mkdir)(path, mode), "%s", path)
}
