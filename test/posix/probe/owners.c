/* Attributes, and what becomes of owners, modes and rights when another user acts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"

/* Acts as user and group 1000, in a further group if one is given. An act that fails ends its process with 1.
 * The process may give itself CAP_DAC_OVERRIDE, which it does not have to begin with. */
static int as_other(void (*act)(void), const gid_t *further) {
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setgroups(further ? 1 : 0, further) || setgid(1000) || setuid(1000)) _exit(99);
    act();
    _exit(0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return status;
}

static void make_in_group(void) { if (open("of-group/file", O_CREAT | O_WRONLY, 0640) < 0) _exit(1); }
static void unlink_sticky(void) { if (unlink("sticky/file")) _exit(1); }

static void make_by_capability(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0}};
  data[0].permitted = data[0].effective = 1 << CAP_DAC_OVERRIDE;
  if (syscall(SYS_capset, &header, data) || open("of-root/file", O_CREAT | O_WRONLY, 0640) < 0) _exit(1);
}

static void read_x(void) { if (open("x", O_RDONLY) < 0) _exit(1); }

void attributes(void) {
  static const char acl[] = "\2\0\0\0\1\0\6\0\377\377\377\377\2\0\4\0\350\3\0\0\4\0\4\0\377\377\377\377\20\0\4\0\377\377\377\377\40\0\4\0\377\377\377\377";
  close(make("x", 1));
  call("xattr user", setxattr("x", "user.a", "b", 1, 0));
  call("xattr trusted", setxattr("x", "trusted.a", "b", 1, 0));
  call("xattr security", setxattr("x", "security.a", "b", 1, 0));
  call("xattr security.capability", setxattr("x", "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
  call("xattr of another kind", setxattr("x", "other.a", "b", 1, 0));
  static char large[60000];
  call("xattr of 3 KB", setxattr("x", "user.large", large, 3000, 0));
  call("an ACL is set", setxattr("x", "system.posix_acl_access", acl, 44, 0));
  chmod("x", 0640);
  call("an ACL is asked for", getxattr("x", "system.posix_acl_access", large, sizeof large));
  say("an ACL is obeyed", as_other(read_x, NULL) ? "no" : "yes");
  mkdir("d", 0755);
  call("a default ACL is set", setxattr("d", "system.posix_acl_default", acl, 44, 0));
}

static void write_it(void) { int fd = open("setid", O_WRONLY); if (fd < 0 || write(fd, "x", 1) != 1) _exit(1); }
static void empty_it(void) { int fd = open("setid", O_WRONLY | O_TRUNC); if (fd < 0) _exit(1); }
static void cut_it(void) { if (truncate("setid", 5)) _exit(1); }
static void own_it(void) { if (chown("setid", 1000, 1000)) _exit(1); }

static void set_ids(void) {
  static const struct { const char *name; void (*act)(void); } acts[] = {
    {"setuid and setgid after a write by another", write_it}, {"setuid and setgid after O_TRUNC by another", empty_it},
    {"setuid and setgid after truncate by another", cut_it}, {"setuid and setgid after chown by the owner", own_it},
  };
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    struct stat about;
    unlink("setid");
    close(make("setid", 1));
    if (acts[i].act == own_it) chown("setid", 1000, 1000);
    chmod("setid", 06777);
    if (as_other(acts[i].act, NULL)) { say(acts[i].name, "the act failed"); continue; }
    stat("setid", &about);
    say(acts[i].name, about.st_mode & 06000 ? "kept" : "cleared");
  }
}

/* So often something is made by another user that each thread of a server has done it. What it then has of its own rights
 * must do for what comes after. */
#define TURNS 16

void owners(void) {
  gid_t group = 2000;
  struct stat about;
  mkdir("of-group", 0770);
  chown("of-group", 0, group);
  chmod("of-group", 02770);
  int failed = 0;
  for (int i = 0; i < TURNS; i++) {
    unlink("of-group/file");
    failed |= as_other(make_in_group, &group);
  }
  say("a supplementary group may create", failed ? "no" : "yes");
  failed |= stat("of-group/file", &about);
  say("what it creates has the folder's group", !failed && about.st_gid == group && about.st_uid == 1000 ? "yes" : "no");
  mkdir("of-root", 0700);
  say("CAP_DAC_OVERRIDE without being root", as_other(make_by_capability, NULL) ? "no" : "yes");
  mkdir("sticky", 01777);
  close(make("sticky/file", 0));
  say("a sticky folder keeps others' files", as_other(unlink_sticky, NULL) ? "yes" : "no");
  set_ids();
}
