// What root of a guest does to its own agent, as an attacker: takes a copy of the descriptor by which the agent speaks to
// the shim, and sends on it. Started in the guest's own namespaces by way of core_pattern (guest-root.ts).
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEADER 10

/* The agent is process 1. */
static int agent_channel(void) {
  DIR *fds = opendir("/proc/1/fd");
  for (struct dirent *one = fds ? readdir(fds) : NULL; one; one = readdir(fds)) {
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/1/fd/%s", one->d_name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = 0;
    if (!strstr(target, "vport")) continue;
    int init = syscall(SYS_pidfd_open, 1, 0);
    return syscall(SYS_pidfd_getfd, init, atoi(one->d_name), 0);
  }
  return -1;
}

/* An empty frame; its stream is one of which nobody knows. */
static void put_frame(unsigned char *at, unsigned char type) {
  memset(at, 0, HEADER);
  memset(at + 4, 0x7f, 4);
  at[8] = type;
}

int main(int argc, char **argv) {
  static unsigned char frames[6000 * HEADER];
  const char *what = argc > 1 ? argv[1] : "";
  FILE *log = fopen("/run/guest-root.log", "a");
  int channel = agent_channel();
  if (log) fprintf(log, "%s: channel %d\n", what, channel), fclose(log);
  if (channel < 0) return 1;
  if (strcmp(what, "few") == 0) {
    put_frame(frames, 2);
    return write(channel, frames, HEADER) < 0;
  }
  for (unsigned n = 0; n < sizeof frames / HEADER; n++) put_frame(frames + n * HEADER, 2 + n % 3);
  fcntl(channel, F_SETFL, fcntl(channel, F_GETFL) & ~O_NONBLOCK);
  for (;;)
    if (write(channel, frames, sizeof frames) < 0) usleep(1000);
}
