// A file system of the host that stops answering: a FUSE server without a library, with one folder and one file `file` in it ("data\n").
// hung-fs FOLDER mounts it there, prints "ready" and answers, unless it is stopped (SIGSTOP): then it is as an NFS server that is
// gone. Its end aborts what waits.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char data[] = "data\n";
enum { ROOT = 1, FILE_ID = 2 };

static void answer(int fd, uint64_t unique, int error, const void *body, size_t size) {
  struct fuse_out_header head = {.len = sizeof head + size, .error = -error, .unique = unique};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)body, size}};
  if (writev(fd, parts, size > 0 ? 2 : 1) < 0 && errno != ENOENT) perror("hung-fs: answer");
}

static struct fuse_attr attributes(uint64_t id) {
  struct fuse_attr attr = {.ino = id, .nlink = 1, .blksize = 4096};
  attr.mode = id == ROOT ? S_IFDIR | 0755 : S_IFREG | 0644;
  attr.size = id == ROOT ? 0 : sizeof data - 1;
  return attr;
}

static void serve(int fd, const struct fuse_in_header *in, const void *body) {
  switch (in->opcode) {
    case FUSE_INIT: {
      const struct fuse_init_in *wanted = body;
      struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096};
      if (wanted->minor < out.minor) out.minor = wanted->minor;
      out.max_background = 64;
      return answer(fd, in->unique, 0, &out, sizeof out);
    }
    case FUSE_GETATTR: {
      // Nothing is cached, so that each look at it is a request.
      struct fuse_attr_out out = {.attr = attributes(in->nodeid)};
      return answer(fd, in->unique, 0, &out, sizeof out);
    }
    case FUSE_LOOKUP: {
      if (in->nodeid != ROOT || strcmp(body, "file") != 0) return answer(fd, in->unique, ENOENT, NULL, 0);
      struct fuse_entry_out out = {.nodeid = FILE_ID, .generation = 1, .attr = attributes(FILE_ID)};
      return answer(fd, in->unique, 0, &out, sizeof out);
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      struct fuse_open_out out = {.open_flags = in->opcode == FUSE_OPEN ? FOPEN_DIRECT_IO : 0};
      return answer(fd, in->unique, 0, &out, sizeof out);
    }
    case FUSE_READ: {
      const struct fuse_read_in *wanted = body;
      size_t length = sizeof data - 1;
      if (wanted->offset >= length) return answer(fd, in->unique, 0, NULL, 0);
      return answer(fd, in->unique, 0, data + wanted->offset, length - wanted->offset);
    }
    case FUSE_READDIR:
      return answer(fd, in->unique, 0, NULL, 0);
    case FUSE_STATFS: {
      struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255, .frsize = 4096}};
      return answer(fd, in->unique, 0, &out, sizeof out);
    }
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FLUSH:
      return answer(fd, in->unique, 0, NULL, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;
    default:
      return answer(fd, in->unique, ENOSYS, NULL, 0);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: hung-fs FOLDER\n"), 2;
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) return perror("hung-fs: /dev/fuse"), 1;
  char options[100];
  snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fd);
  if (mount("hung", argv[1], "fuse.hung", MS_NOSUID | MS_NODEV, options) < 0) return perror("hung-fs: mount"), 1;
  puts("ready");
  fflush(stdout);
  static union {
    struct fuse_in_header in;
    char bytes[64 * 1024];
  } request;
  for (;;) {
    ssize_t size = read(fd, &request, sizeof request);
    if (size < 0 && errno == ENODEV) return 0;
    if (size < (ssize_t)sizeof request.in) continue;
    serve(fd, &request.in, request.bytes + sizeof request.in);
  }
}
