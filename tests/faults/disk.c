/* A disk that loses power: preloaded into a process, it remembers what was written and not synced.

   Watched are the regular files under one folder. Every write, truncation, creation, renaming and
   removal there is done at once, so that the process sees its files as ever, and is kept in a list
   with what it takes to undo it. What a sync made durable leaves the list:

     fsync, fdatasync of a file     its writes and truncations, and its name
     fsync of a folder              the creations, renamings and removals in it

   At the cut the list decides what the disk holds: names are undone from the newest back to a
   random one (a journal keeps their order); then of every write any subset of its sectors of 512
   bytes is there (all, none, or some of each file: the drive reorders), and any truncation. A sync
   under way at the cut has made nothing durable.

   Not watched, for they do not outlive a power cut by design: `*-shm` (SQLite maps it into memory
   and makes it anew) and `*.lock`. Writes through mmap, sendfile, dup'ed descriptors or stdio are
   not seen; sendfile is refused, so that its caller writes instead.

   Two uses. A process of its own: HINOMI_DISK_FOLDER, HINOMI_DISK_CUT_AFTER (operations) and
   HINOMI_DISK_SEED in its environment; at the cut the files are changed in place and the process is
   killed. Within a process: disk_*() below; after the cut every change fails with EIO, and
   disk_apply() makes a copy of the folder what the disk would hold. */
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
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FD_MAX 65536
#define SECTOR 512
#define FULL 1 /* no write that makes a file longer */
#define WRITE_FAILS 2
#define SYNC_FAILS 3
#define SYNC_LIES 4 /* says that it is done, and is not */

enum { WRITE, TRUNCATE, CREATE, RENAME, REMOVE };

struct step {
  struct step *next, *before_it;
  int kind;
  ino_t inode;
  off_t at, size_before;
  size_t size, old_size;
  unsigned char *old, *new;
  char *path, *from, *backup; /* the last two of names only */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct step *first, *last;
static char folder[PATH_MAX], backups[PATH_MAX + 8];
static size_t folder_size;
static char *paths[FD_MAX];
static long operations, cut_after = -1, backups_count;
static int is_dead, ends_process, failing;
static uint64_t noise;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static ssize_t (*real_sendfile)(int, int, off_t *, size_t);

static void watch(const char *path) {
  snprintf(folder, sizeof folder, "%s", path);
  snprintf(backups, sizeof backups, "%s.undo", path);
  folder_size = strlen(folder);
}

__attribute__((constructor)) static void begin(void) {
  real_open = dlsym(RTLD_NEXT, "open64");
  real_openat = dlsym(RTLD_NEXT, "openat64");
  real_close = dlsym(RTLD_NEXT, "close");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_rename = dlsym(RTLD_NEXT, "rename");
  real_sendfile = dlsym(RTLD_NEXT, "sendfile64");
  const char *where = getenv("HINOMI_DISK_FOLDER");
  if (where) {
    watch(where);
    cut_after = atol(getenv("HINOMI_DISK_CUT_AFTER"));
    noise = strtoull(getenv("HINOMI_DISK_SEED"), NULL, 10);
    ends_process = 1;
  }
}

static uint32_t draw(uint32_t below) { /* splitmix64 */
  uint64_t z = (noise += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) >> 32) % below;
}

static int ends_with(const char *path, const char *end) {
  size_t size = strlen(path), end_size = strlen(end);
  return size >= end_size && !strcmp(path + size - end_size, end);
}

static int is_watched(const char *path) {
  return folder_size && path && !strncmp(path, folder, folder_size) &&
         (path[folder_size] == '/' || !path[folder_size]) && !ends_with(path, "-shm") &&
         !ends_with(path, ".lock");
}

static struct step *add(int kind, const char *path) {
  struct step *step = calloc(1, sizeof *step);
  struct stat state;
  step->kind = kind;
  step->path = strdup(path);
  if (!stat(path, &state)) step->inode = state.st_ino, step->size_before = state.st_size;
  step->before_it = last;
  if (last) last->next = step;
  else first = step;
  return last = step;
}

static void drop(struct step *step) {
  if (step->before_it) step->before_it->next = step->next;
  else first = step->next;
  if (step->next) step->next->before_it = step->before_it;
  else last = step->before_it;
  if (step->backup) real_unlink(step->backup);
  free(step->old), free(step->new);
  free(step->path), free(step->from), free(step->backup), free(step);
}

static size_t read_part(const char *path, off_t at, size_t size, unsigned char **into) {
  int fd = real_open(path, O_RDONLY | O_CLOEXEC);
  size_t got = 0;
  *into = malloc(size ? size : 1);
  for (ssize_t n = 1; fd >= 0 && got < size && n > 0; got += n > 0 ? (size_t)n : 0)
    n = pread(fd, *into + got, size - got, at + (off_t)got);
  if (fd >= 0) real_close(fd);
  return got;
}

static void keep_old(struct step *step, off_t at, size_t size) {
  step->at = at;
  step->old_size = read_part(step->path, at, size, &step->old);
}

static void back_up(struct step *step, const char *path) {
  char name[PATH_MAX];
  mkdir(backups, 0700);
  snprintf(name, sizeof name, "%.4000s/%ld", backups, backups_count++);
  if (!link(path, name)) step->backup = strdup(name);
}

static void write_part(const char *path, const unsigned char *data, size_t size, off_t at) {
  int fd = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  for (size_t done = 0; done < size;) {
    ssize_t n = real_pwrite(fd, data + done, size - done, at + (off_t)done);
    if (n <= 0) break;
    done += (size_t)n;
  }
  real_close(fd);
}

static void copy_over(const char *from, const char *to) {
  struct stat state;
  unsigned char *data;
  if (stat(from, &state)) return;
  size_t size = read_part(from, 0, (size_t)state.st_size, &data);
  real_unlink(to);
  write_part(to, data, size, 0);
  free(data);
}

/* Where a file of the watched folder is in the copy. */
static const char *placed(const char *path, const char *copy, char *into) {
  snprintf(into, PATH_MAX, "%.2000s%.2000s", copy, path + folder_size);
  return into;
}

static void undo(struct step *step, const char *copy) {
  char path[PATH_MAX], from[PATH_MAX];
  placed(step->path, copy, path);
  if (step->kind == WRITE || step->kind == TRUNCATE) {
    write_part(path, step->old, step->old_size, step->at);
    if (truncate(path, step->size_before)) return;
  } else if (step->kind == CREATE) {
    real_unlink(path);
  } else {
    if (step->kind == RENAME) copy_over(path, placed(step->from, copy, from));
    if (step->backup) copy_over(step->backup, path);
    else if (step->kind == RENAME) real_unlink(path);
  }
}

/* survives: of 4; 0 nothing, 4 all, between: each sector by chance. */
static void redo(struct step *step, const char *copy, uint32_t survives) {
  char path[PATH_MAX];
  placed(step->path, copy, path);
  if (step->kind == TRUNCATE) {
    if (draw(4) < survives && truncate(path, (off_t)step->size)) return;
    return;
  }
  for (size_t done = 0; done < step->size;) {
    size_t size = SECTOR - (size_t)(step->at + (off_t)done) % SECTOR;
    if (size > step->size - done) size = step->size - done;
    if (draw(4) < survives) write_part(path, step->new + done, size, step->at + (off_t)done);
    done += size;
  }
}

static int is_data(const struct step *step) { return step->kind <= TRUNCATE; }

static void apply(const char *copy) {
  uint32_t names = 0, kept, number = 0;
  for (struct step *step = first; step; step = step->next) names += !is_data(step);
  kept = names ? draw(names + 1) : 0;
  for (struct step *step = last; step; step = step->before_it)
    if (is_data(step)) undo(step, copy);
  uint32_t mood = draw(3); /* all alike lost, all alike kept, or each by itself */
  for (struct step *step = first; step; step = step->next)
    if (is_data(step)) redo(step, copy, mood == 0 ? 0 : mood == 1 ? 4 : draw(5));
  for (struct step *step = last; step; step = step->before_it)
    if (!is_data(step) && names - ++number >= kept) undo(step, copy);
}

/* Count an operation on a watched file; it has been done and listed. */
static void count(void) {
  operations++;
  if (cut_after < 0 || operations < cut_after || is_dead) return;
  is_dead = 1;
  if (ends_process) {
    apply(folder);
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
}

static void forget(void) {
  while (first) drop(first);
}

/* -- what the test orders, within this process -- */

void disk_watch(const char *path) {
  pthread_mutex_lock(&mutex);
  forget();
  watch(path);
  is_dead = failing = 0;
  cut_after = -1;
  operations = 0;
  pthread_mutex_unlock(&mutex);
}

void disk_cut_after(long more) { cut_after = operations + more; }
void disk_fail(int how) { failing = how; }
int disk_is_dead(void) { return is_dead; }
long disk_operations(void) { return operations; }

void disk_apply(const char *copy, uint64_t seed) {
  pthread_mutex_lock(&mutex);
  noise = seed;
  apply(copy);
  pthread_mutex_unlock(&mutex);
}

/* -- what the process calls -- */

static int refused(int error) {
  pthread_mutex_unlock(&mutex);
  errno = error;
  return -1;
}

static int opened(int fd, const char *path) {
  if (fd >= 0 && fd < FD_MAX && is_watched(path)) paths[fd] = strdup(path);
  return fd;
}

static int open_at(int where, const char *path, int flags, mode_t mode) {
  struct stat state;
  if (path[0] != '/' || !is_watched(path)) return real_openat(where, path, flags, mode);
  pthread_mutex_lock(&mutex);
  int is_there = !stat(path, &state);
  int is_change = (flags & O_CREAT && !is_there) || (flags & O_TRUNC && is_there && state.st_size);
  if (is_change && is_dead) return refused(EIO);
  if (is_change && !is_there && failing == FULL) return refused(ENOSPC);
  struct step *step = NULL;
  if (is_change && is_there) {
    step = add(TRUNCATE, path);
    keep_old(step, 0, (size_t)state.st_size);
  }
  int fd = opened(real_openat(where, path, flags, mode), path);
  if (fd >= 0 && is_change && !is_there) add(CREATE, path);
  if (fd < 0 && step) drop(step);
  if (is_change) count();
  pthread_mutex_unlock(&mutex);
  return fd;
}

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                \
  int name(const char *path, int flags, ...) {    \
    va_list rest;                                 \
    va_start(rest, flags);                        \
    mode_t mode = mode_of(flags, rest);           \
    va_end(rest);                                 \
    return open_at(AT_FDCWD, path, flags, mode);  \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                      \
  int name(int where, const char *path, int flags, ...) { \
    va_list rest;                                         \
    va_start(rest, flags);                                \
    mode_t mode = mode_of(flags, rest);                   \
    va_end(rest);                                         \
    return open_at(where, path, flags, mode);             \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  if (fd >= 0 && fd < FD_MAX && paths[fd]) {
    pthread_mutex_lock(&mutex);
    free(paths[fd]);
    paths[fd] = NULL;
    pthread_mutex_unlock(&mutex);
  }
  return real_close(fd);
}

static char *path_of(int fd) { return fd >= 0 && fd < FD_MAX ? paths[fd] : NULL; }

/* A file that was renamed or removed since is found by its descriptor; removed ones do not matter. */
static int is_gone(int fd, struct stat *state) { return fstat(fd, state) || !state->st_nlink; }

static ssize_t write_at(int fd, const void *data, size_t size, off_t at, int is_pwrite) {
  struct stat state;
  pthread_mutex_lock(&mutex);
  if (is_dead) return refused(EIO);
  if (is_gone(fd, &state) || !S_ISREG(state.st_mode)) {
    ssize_t done = is_pwrite ? real_pwrite(fd, data, size, at) : real_write(fd, data, size);
    pthread_mutex_unlock(&mutex);
    return done;
  }
  if (!is_pwrite) at = fcntl(fd, F_GETFL) & O_APPEND ? state.st_size : lseek(fd, 0, SEEK_CUR);
  if (failing == WRITE_FAILS) return refused(EIO);
  if (failing == FULL && at + (off_t)size > state.st_size) return refused(ENOSPC);
  struct step *step = add(WRITE, paths[fd]);
  keep_old(step, at, size);
  ssize_t done = is_pwrite ? real_pwrite(fd, data, size, at) : real_write(fd, data, size);
  if (done <= 0) {
    drop(step);
  } else {
    step->size = (size_t)done;
    step->new = memcpy(malloc((size_t)done), data, (size_t)done);
    if (step->old_size > step->size) step->old_size = step->size;
    count();
  }
  pthread_mutex_unlock(&mutex);
  return done;
}

ssize_t write(int fd, const void *data, size_t size) {
  return path_of(fd) ? write_at(fd, data, size, 0, 0) : real_write(fd, data, size);
}

#define PWRITE(name)                                                                      \
  ssize_t name(int fd, const void *data, size_t size, off_t at) {                         \
    return path_of(fd) ? write_at(fd, data, size, at, 1) : real_pwrite(fd, data, size, at); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

static int cut_to(int fd, off_t size) {
  struct stat state;
  if (!path_of(fd)) return real_ftruncate(fd, size);
  pthread_mutex_lock(&mutex);
  if (is_dead) return refused(EIO);
  struct step *step = NULL;
  if (!is_gone(fd, &state)) {
    step = add(TRUNCATE, paths[fd]);
    step->size = (size_t)size;
    keep_old(step, size, state.st_size > size ? (size_t)(state.st_size - size) : 0);
  }
  int done = real_ftruncate(fd, size);
  if (step && done) drop(step);
  count();
  pthread_mutex_unlock(&mutex);
  return done;
}

int ftruncate(int fd, off_t size) { return cut_to(fd, size); }
int ftruncate64(int fd, off_t size) { return cut_to(fd, size); }

/* A name is durable once its file is synced; and so is what was done to that name before. */
static void settle(const char *path, ino_t inode, int is_folder) {
  size_t size = strlen(path);
  int is_created = 0;
  for (struct step *step = last, *before; step; step = before) {
    before = step->before_it;
    if (is_folder) {
      const char *rest = step->path + size;
      if (!is_data(step) && !strncmp(step->path, path, size) && *rest == '/' && !strchr(rest + 1, '/'))
        drop(step);
    } else if (is_data(step)) {
      if (step->inode == inode) drop(step);
    } else if (!strcmp(step->path, path) && (is_created || step->kind == CREATE)) {
      is_created = 1;
      drop(step);
    }
  }
}

static int synced(int fd, int (*real)(int)) {
  struct stat state;
  if (!path_of(fd)) return real(fd);
  pthread_mutex_lock(&mutex);
  count();
  if (is_dead || failing == SYNC_FAILS) return refused(EIO);
  if (failing == SYNC_LIES) {
    pthread_mutex_unlock(&mutex);
    return 0;
  }
  int done = ends_process ? real(fd) : 0; /* within a process the cut is all there is */
  if (!done && !fstat(fd, &state)) settle(paths[fd], state.st_ino, S_ISDIR(state.st_mode));
  pthread_mutex_unlock(&mutex);
  return done;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

int unlink(const char *path) {
  if (!is_watched(path)) return real_unlink(path);
  pthread_mutex_lock(&mutex);
  if (is_dead) return refused(EIO);
  struct step *step = add(REMOVE, path);
  back_up(step, path);
  int done = real_unlink(path);
  if (done) drop(step);
  else count();
  pthread_mutex_unlock(&mutex);
  return done;
}

static void take_name(char **name, const char *path) {
  free(*name);
  *name = strdup(path);
}

int rename(const char *from, const char *to) {
  if (!is_watched(to)) return real_rename(from, to);
  pthread_mutex_lock(&mutex);
  if (is_dead) return refused(EIO);
  struct step *step = add(RENAME, to);
  step->from = strdup(from);
  back_up(step, to);
  int done = real_rename(from, to);
  if (done) drop(step);
  for (struct step *each = first; !done && each; each = each->next)
    if (is_data(each) && !strcmp(each->path, from)) take_name(&each->path, to);
  for (int fd = 0; !done && fd < FD_MAX; fd++)
    if (paths[fd] && !strcmp(paths[fd], from)) take_name(&paths[fd], to);
  if (!done) count();
  pthread_mutex_unlock(&mutex);
  return done;
}

ssize_t sendfile(int out, int in, off_t *at, size_t size) {
  if (path_of(out)) return errno = ENOTSOCK, -1;
  return real_sendfile(out, in, at, size);
}
ssize_t sendfile64(int out, int in, off_t *at, size_t size) { return sendfile(out, in, at, size); }
