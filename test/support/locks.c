// Takes every kind of lock on a file: locks FILE waits for a child that holds it; locks FILE shared only shares.
// Prints what failed, and exits with 1 then.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HELD_MS = 300 };

static int open_it(const char *path, int flags) {
  int fd = open(path, flags);
  if (fd < 0) perror(path);
  return fd;
}

/** flock, or one of fcntl's. */
static int lock(int fd, const char *kind, int type) {
  if (!strcmp(kind, "flock")) return flock(fd, type == F_WRLCK ? LOCK_EX : type == F_RDLCK ? LOCK_SH : LOCK_UN);
  struct flock all = {.l_type = type, .l_whence = SEEK_SET};
  return fcntl(fd, !strcmp(kind, "posix") ? F_SETLKW : F_OFD_SETLKW, &all);
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int waits(const char *path, const char *kind) {
  int ready[2];
  if (pipe(ready) != 0) return 1;
  pid_t child = fork();
  if (child == 0) {
    int held = open_it(path, O_RDWR);
    if (held < 0 || lock(held, kind, F_WRLCK) != 0) _exit(2);
    if (write(ready[1], "x", 1) != 1) _exit(3);
    usleep(HELD_MS * 1000);
    _exit(lock(held, kind, F_UNLCK) == 0 ? 0 : 4);
  }
  char byte;
  close(ready[1]);
  int fd = open_it(path, O_RDWR);
  int told = read(ready[0], &byte, 1) == 1;
  long start = now_ms();
  int taken = lock(fd, kind, F_WRLCK);
  int error = errno;
  long took = now_ms() - start;
  int status;
  waitpid(child, &status, 0);
  // Ends the lock too, which the next kind would wait for.
  close(fd);
  if (told && taken == 0 && status == 0 && took >= HELD_MS / 2) return 0;
  printf("%s: %s after %ld ms, child %d\n", kind, taken == 0 ? "taken" : strerror(error), took, status >> 8);
  return 1;
}

static int shares(const char *path, const char *kind) {
  int fd = open_it(path, O_RDONLY);
  if (fd >= 0 && lock(fd, kind, F_RDLCK) == 0 && lock(fd, kind, F_UNLCK) == 0) return 0;
  printf("%s: %s\n", kind, strerror(errno));
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  const char *kinds[] = {"flock", "posix", "ofd"};
  int failed = 0;
  for (int i = 0; i < 3; i++) failed |= argc > 2 ? shares(argv[1], kinds[i]) : waits(argv[1], kinds[i]);
  return failed;
}
