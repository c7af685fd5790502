// What the image's busybox cannot do to files. Prints what failed, and exits with 1 then.
//   files as UID GID GROUP CAPS FILE   makes a file as that user in that one further group; CAPS: `none`, or `dac` for DAC_OVERRIDE
//   files acl-set FILE UID PERMS       gives a user of its own an ACL entry (PERMS 0 to 7), beside those of the mode
//   files acl-default FOLDER UID PERMS the same as what new files get
//   files acl-get FILE                 prints the entries as tag:id:perms
//   files xattr-set FILE NAME VALUE, xattr-get FILE NAME
//   files overlay LOWER UPPER WORK TARGET
//   files hold FOLDER MOST             makes and holds as many files as it can, and prints why it could not get them all
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  return 1;
}

static int as(char **a) {
  gid_t group = atoi(a[2]);
  int dac = !strcmp(a[3], "dac");
  if (setgroups(1, &group) || prctl(PR_SET_KEEPCAPS, dac)) return failed("setgroups");
  if (setgid(atoi(a[1])) || setuid(atoi(a[0]))) return failed("setuid");
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct caps[2] = {0};
  if (dac) caps[0].effective = caps[0].permitted = 1 << CAP_DAC_OVERRIDE;
  if (syscall(SYS_capset, &header, caps)) return failed("capset");
  int fd = open(a[4], O_CREAT | O_EXCL | O_WRONLY, 0664);
  if (fd < 0 || write(fd, "x", 1) != 1 || close(fd)) return failed(a[4]);
  return 0;
}

// linux/posix_acl_xattr.h, little-endian as all machines that we run on.
struct entry {
  uint16_t tag, perms;
  uint32_t id;
};
struct acl {
  uint32_t version;
  struct entry entries[32];
};
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, MASK = 16, OTHER = 32 };
enum { NOBODY = 0xffffffff };

static int acl_set(const char *name, char **a) {
  struct acl acl = {2,
                    {{USER_OBJ, 6, NOBODY},
                     {USER, atoi(a[2]), atoi(a[1])},
                     {GROUP_OBJ, 4, NOBODY},
                     {MASK, 7, NOBODY},
                     {OTHER, 0, NOBODY}}};
  return setxattr(a[0], name, &acl, 4 + 5 * sizeof(struct entry), 0) ? failed(a[0]) : 0;
}

static int acl_get(char **a) {
  struct acl acl;
  ssize_t size = getxattr(a[0], "system.posix_acl_access", &acl, sizeof acl);
  if (size < 0) return failed(a[0]);
  for (size_t i = 0; i < (size - 4) / sizeof(struct entry); i++)
    printf("%u:%d:%u ", acl.entries[i].tag, (int)acl.entries[i].id, acl.entries[i].perms);
  puts("");
  return 0;
}

static int xattr_get(char **a) {
  char value[256];
  ssize_t size = getxattr(a[0], a[1], value, sizeof value);
  return size < 0 ? failed(a[1]) : printf("%.*s\n", (int)size, value) < 0;
}

static int overlay(char **a) {
  char options[1024];
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s", a[0], a[1], a[2]);
  return mount("overlay", a[3], "overlay", 0, options) ? failed("overlay") : 0;
}

/** By a process for each 500 of them, as more are not open at once in one. */
static int hold(const char *folder, int most) {
  int full[2], held = 0;
  if (pipe(full)) return failed("pipe");
  for (int first = 0; first < most; first += 500) {
    pid_t child = fork();
    if (child < 0) return failed("fork");
    if (child > 0) {
      int error = 0;
      if (read(full[0], &error, sizeof error) != sizeof error) return failed("read");
      if (error == 0 && ++held) continue;
      puts(error == ENFILE ? "ENFILE" : strerror(error));
      return held > 2 ? 0 : 1;
    }
    int error = 0;
    for (int i = first; i < first + 500 && error == 0; i++) {
      char path[300];
      snprintf(path, sizeof path, "%s/%d", folder, i);
      if (open(path, O_CREAT | O_WRONLY, 0600) < 0) error = errno;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (write(full[1], &error, sizeof error) != sizeof error) _exit(1);
    pause();
  }
  puts("all");
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *what = argv[1];
  char **a = argv + 2;
  umask(0);
  if (!strcmp(what, "as") && argc == 7) return as(a);
  if (!strcmp(what, "acl-set") && argc == 5) return acl_set("system.posix_acl_access", a);
  if (!strcmp(what, "acl-default") && argc == 5) return acl_set("system.posix_acl_default", a);
  if (!strcmp(what, "acl-get")) return acl_get(a);
  if (!strcmp(what, "xattr-set") && argc == 5)
    return setxattr(a[0], a[1], a[2], strlen(a[2]), 0) ? failed(a[1]) : 0;
  if (!strcmp(what, "xattr-get") && argc == 4) return xattr_get(a);
  if (!strcmp(what, "hold") && argc == 4) return hold(a[0], atoi(a[1]));
  if (!strcmp(what, "overlay") && argc == 6) return overlay(a);
  return 2;
}
