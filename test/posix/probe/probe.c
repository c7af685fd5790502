/* What programs ask of a file system beyond POSIX. `probe DIR` works in a new folder of DIR and prints a line for each
 * question: its name, a tab, "ok" or the name of the error or what is there. Two file systems that answer alike print
 * the same. `probe -r DIR` asks what is asked of a read-only one, in which `file` must be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"

void say(const char *name, const char *value) { printf("%s\t%s\n", name, value); }

void call(const char *name, long result) {
  const char *error = result < 0 ? strerrorname_np(errno) : "ok";
  say(name, error ? error : "an unknown error");
}

/* A call must have worked and `fine` be true. */
static void check(const char *name, long result, int fine) {
  if (result < 0) call(name, result);
  else say(name, fine ? "ok" : "wrong");
}

int make(const char *name, int blocks) {
  char data[BLOCK];
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) { perror(name); exit(1); }
  for (int i = 0; i < blocks; i++) {
    memset(data, 'a' + i, sizeof data);
    if (pwrite(fd, data, sizeof data, (off_t)i * BLOCK) != BLOCK) { perror(name); exit(1); }
  }
  return fd;
}

static int letter_at(int fd, off_t block) {
  char c = '?';
  return pread(fd, &c, 1, block * BLOCK) == 1 ? c : '?';
}

static void opening(void) {
  struct stat about;
  char path[64];
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  int error = errno;
  call("O_TMPFILE", fd);
  errno = error;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  call("O_TMPFILE: linked afterwards", fd < 0 ? -1 : linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
  close(fd);
  close(make("gone", 1));
  fd = open("gone", O_RDWR);
  unlink("gone");
  int result = fstat(fd, &about);
  check("unlink while open: fstat, no links left", result, about.st_nlink == 0);
  check("unlink while open: read", letter_at(fd, 0) == 'a' ? 0 : -1, 1);
  call("unlink while open: fchmod", fchmod(fd, 0600));
  call("unlink while open: ftruncate", ftruncate(fd, 10));
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_RDONLY);
  call("unlink while open: opened again through /proc", again);
  close(again);
  close(fd);
  close(make("old", 1));
  close(make("new", 2));
  fd = open("old", O_RDWR);
  rename("new", "old");
  result = fstat(fd, &about);
  check("rename over an open file: fstat, no links left", result, about.st_nlink == 0 && about.st_size == BLOCK);
  call("rename over an open file: write", pwrite(fd, "x", 1, 0));
  close(fd);
  fd = open("old", O_PATH);
  struct file_handle *handle = calloc(1, sizeof *handle + 128);
  int mount;
  handle->handle_bytes = 128;
  call("name_to_handle_at", name_to_handle_at(AT_FDCWD, "old", handle, &mount, 0));
  free(handle);
  close(fd);
}

static void times(void) {
  struct statx about;
  close(make("t", 1));
  int result = statx(AT_FDCWD, "t", 0, STATX_ALL, &about);
  if (result == 0) say("birth time", about.stx_mask & STATX_BTIME ? "there" : "none");
  else call("birth time", result);
  struct timespec set[2] = {{1000000001, 123456789}, {1000000002, 987654321}};
  utimensat(AT_FDCWD, "t", set, 0);
  struct stat plain;
  stat("t", &plain);
  check("times to the nanosecond", 0, plain.st_atim.tv_nsec == 123456789 && plain.st_mtim.tv_nsec == 987654321);
  set[1].tv_sec = 4102444800; /* the year 2100 */
  utimensat(AT_FDCWD, "t", set, 0);
  stat("t", &plain);
  check("times beyond 2038", 0, plain.st_mtim.tv_sec == 4102444800);
}

static void direct(void) {
  char *aligned, *buffer;
  if (posix_memalign((void **)&aligned, BLOCK, 4 * BLOCK)) exit(1);
  buffer = aligned + 1;
  memset(aligned, 'd', 4 * BLOCK);
  close(make("direct", 4));
  int fd = open("direct", O_RDWR | O_DIRECT);
  call("O_DIRECT: open", fd);
  call("O_DIRECT: write", pwrite(fd, aligned, BLOCK, 0));
  call("O_DIRECT: read", pread(fd, aligned, BLOCK, 0));
  call("O_DIRECT: memory not aligned", pread(fd, buffer, BLOCK, 0));
  call("O_DIRECT: place not aligned", pread(fd, aligned, BLOCK, 100));
  call("O_DIRECT: length not aligned", pread(fd, aligned, 100, 0));
  check("O_DIRECT: read of what was written through the cache", 0, pread(fd, aligned, BLOCK, BLOCK) == BLOCK && *aligned == 'b');
  close(fd);
}

static void extents(void) {
  static const struct { const char *name; int mode; } modes[] = {
    {"fallocate", 0}, {"fallocate KEEP_SIZE", FALLOC_FL_KEEP_SIZE},
    {"fallocate PUNCH_HOLE", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE}, {"fallocate ZERO_RANGE", FALLOC_FL_ZERO_RANGE},
    {"fallocate COLLAPSE_RANGE", FALLOC_FL_COLLAPSE_RANGE}, {"fallocate INSERT_RANGE", FALLOC_FL_INSERT_RANGE},
    {"fallocate UNSHARE_RANGE", FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE},
  };
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    int fd = make("extents", 8);
    call(modes[i].name, fallocate(fd, modes[i].mode, 2 * BLOCK, 2 * BLOCK));
    close(fd);
  }
  int fd = make("hole", 1);
  ftruncate(fd, 1 << 20);
  pwrite(fd, "x", 1, 1 << 19);
  fsync(fd);
  check("SEEK_HOLE", lseek(fd, 0, SEEK_HOLE), lseek(fd, 0, SEEK_HOLE) == BLOCK);
  check("SEEK_DATA", lseek(fd, BLOCK, SEEK_DATA), lseek(fd, BLOCK, SEEK_DATA) == 1 << 19);
  struct fiemap *map = calloc(1, sizeof *map + 8 * sizeof(struct fiemap_extent));
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_extent_count = 8;
  call("FIEMAP", ioctl(fd, FS_IOC_FIEMAP, map));
  free(map);
  int other = open("copy", O_RDWR | O_CREAT, 0644);
  off_t from = 0, to = 0;
  long copied = copy_file_range(fd, &from, other, &to, BLOCK, 0);
  check("copy_file_range", copied, letter_at(other, 0) == 'a');
  call("FICLONE (reflink)", ioctl(other, FICLONE, fd));
  lseek(fd, 0, SEEK_SET);
  call("sendfile", sendfile(other, fd, NULL, BLOCK));
  close(other);
  int flags = 0;
  call("FS_IOC_GETFLAGS (lsattr)", ioctl(fd, FS_IOC_GETFLAGS, &flags));
  flags = FS_NODUMP_FL;
  call("FS_IOC_SETFLAGS (chattr +d)", ioctl(fd, FS_IOC_SETFLAGS, &flags));
  struct fsxattr project;
  call("FS_IOC_FSGETXATTR (project quota)", ioctl(fd, FS_IOC_FSGETXATTR, &project));
  int version;
  call("FS_IOC_GETVERSION", ioctl(fd, FS_IOC_GETVERSION, &version));
  close(fd);
}

/* A file of 100 GiB with one block of data in the middle and one at its end. */
static void large(void) {
  const off_t size = 100LL << 30, middle = 50LL << 30;
  struct stat about;
  int fd = make("large", 0);
  call("100 GiB: ftruncate", ftruncate(fd, size));
  check("100 GiB: write", pwrite(fd, "m", 1, middle), pwrite(fd, "e", 1, size - 1) == 1);
  fsync(fd);
  int result = fstat(fd, &about);
  check("100 GiB: size, and next to no blocks", result, about.st_size == size && about.st_blocks < 1024);
  check("100 GiB: SEEK_DATA", lseek(fd, 0, SEEK_DATA), lseek(fd, 0, SEEK_DATA) == middle);
  check("100 GiB: SEEK_HOLE", lseek(fd, middle, SEEK_HOLE), lseek(fd, middle, SEEK_HOLE) == middle + BLOCK);
  check("100 GiB: read", 0, letter_at(fd, middle / BLOCK) == 'm' && letter_at(fd, 1) == 0);
  call("100 GiB: truncate back", ftruncate(fd, 0));
  close(fd);
  unlink("large");
}

static void names(void) {
  char name[300], path[4200] = "";
  memset(name, 'n', sizeof name);
  name[255] = 0;
  call("a name of 255 bytes", mkdir(name, 0755));
  name[255] = 'n', name[256] = 0;
  call("a name of 256 bytes", mkdir(name, 0755));
  while (strlen(path) + 2 < 4095) strcat(path, "./");
  strcat(path, "p");
  call("a path of 4095 bytes", mkdir(path, 0755));
  strcat(path, "pp");
  call("a path of 4097 bytes", mkdir(path, 0755));
  call("a name that is no UTF-8", mkdir("\xff\xfe", 0755));
  close(make("one", 1));
  close(make("two", 2));
  call("renameat2 EXCHANGE", renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_EXCHANGE));
  call("renameat2 NOREPLACE", renameat2(AT_FDCWD, "one", AT_FDCWD, "two", RENAME_NOREPLACE));
  call("renameat2 WHITEOUT", renameat2(AT_FDCWD, "one", AT_FDCWD, "white", RENAME_WHITEOUT));
  call("link", link("two", "three"));
  mkdir("sub", 0755);
  call("link in another folder", link("two", "sub/three"));
  call("link to a socket's file", mknod("s", S_IFSOCK | 0644, 0) || link("s", "s2") ? -1 : 0);
  call("mkfifo", mkfifo("fifo", 0644));
  call("mknod of a device", mknod("device", S_IFCHR | 0644, makedev(1, 3)));
  int fd = open("device", O_WRONLY);
  call("a device that was made is opened", fd);
  close(fd);
  struct sockaddr_un address = {AF_UNIX, "socket"};
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  call("a socket is bound", bind(server, (struct sockaddr *)&address, sizeof address));
  listen(server, 1);
  call("a socket is connected to", connect(client, (struct sockaddr *)&address, sizeof address));
  close(server);
  close(client);
}

static void mapping(void) {
  int fd = make("map", 2);
  char *shared = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  call("mmap shared", shared == MAP_FAILED ? -1 : 0);
  if (shared != MAP_FAILED) {
    shared[0] = 'M';
    check("mmap: read sees a change", 0, letter_at(fd, 0) == 'M');
    pwrite(fd, "W", 1, BLOCK);
    check("mmap: a write is seen", 0, shared[BLOCK] == 'W');
    call("msync", msync(shared, 2 * BLOCK, MS_SYNC));
    munmap(shared, 2 * BLOCK);
  }
  call("fsync of a folder", fsync(open(".", O_RDONLY)));
  call("syncfs", syncfs(fd));
  call("sync_file_range", sync_file_range(fd, 0, BLOCK, SYNC_FILE_RANGE_WRITE));
  call("a lease", fcntl(fd, F_SETLEASE, F_UNLCK) && errno != EAGAIN ? -1 : 0);
  int watch = inotify_init1(IN_NONBLOCK);
  char events[4096];
  inotify_add_watch(watch, ".", IN_CREATE);
  close(make("watched", 0));
  check("inotify of one's own changes", 0, read(watch, events, sizeof events) > 0);
  call("flock", flock(fd, LOCK_EX));
  struct flock whole = {.l_type = F_WRLCK};
  call("fcntl lock", fcntl(fd, F_SETLKW, &whole));
  struct statfs about;
  char type[32];
  statfs(".", &about);
  snprintf(type, sizeof type, "%lx", (unsigned long)about.f_type);
  say("type of the file system", type);
  close(fd);
}

static void reading(void) {
  struct statvfs about;
  int fd = open("file", O_RDONLY);
  call("open", fd);
  call("shared flock", flock(fd, LOCK_SH));
  struct flock shared = {.l_type = F_RDLCK};
  call("shared fcntl lock", fcntl(fd, F_SETLKW, &shared));
  call("mmap shared, to read", mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
  call("fsync", fsync(fd));
  call("fchmod", fchmod(fd, 0600));
  call("fsetxattr", fsetxattr(fd, "user.a", "b", 1, 0));
  call("fallocate", fallocate(fd, 0, 0, 1));
  call("open to write", open("file", O_RDWR));
  call("open to create", open("file-new", O_RDWR | O_CREAT, 0644));
  call("O_TMPFILE", open(".", O_TMPFILE | O_RDWR, 0600));
  call("truncate", truncate("file", 0));
  call("unlink", unlink("file"));
  call("unlink of what is missing", unlink("missing"));
  call("rename", rename("file", "other"));
  call("link", link("file", "other"));
  call("symlink", symlink("file", "other"));
  call("mkdir", mkdir("folder", 0755));
  call("mkdir of what is there", mkdir("file", 0755));
  call("mkfifo", mkfifo("fifo", 0644));
  call("chown", chown("file", 1, 1));
  call("utimensat", utimensat(AT_FDCWD, "file", NULL, 0));
  call("access to write", access("file", W_OK));
  statvfs(".", &about);
  say("statvfs", about.f_flag & ST_RDONLY ? "read-only" : "writable");
}

int main(int count, char **words) {
  int only_read = count == 3 && strcmp(words[1], "-r") == 0;
  if (count != 2 + only_read) { fprintf(stderr, "usage: probe [-r] DIR\n"); return 2; }
  char dir[] = "probe.XXXXXX";
  if (chdir(words[count - 1]) || (!only_read && (!mkdtemp(dir) || chmod(dir, 0777) || chdir(dir)))) { perror(words[count - 1]); return 1; }
  umask(022);
  if (only_read) { reading(); return 0; }
  opening(), times(), direct(), extents(), large(), names(), attributes(), owners(), mapping();
  return 0;
}
