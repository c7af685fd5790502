/* `tree make DIR COUNT` makes COUNT empty files in folders of a thousand; `tree walk DIR` looks at all below and prints
 * how many files there are; `tree remove DIR` takes all away. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long files;

static int fail(const char *what) { perror(what); exit(1); }

static int look(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)path, (void)about, (void)place;
  if (kind == FTW_NS || kind == FTW_DNR) fail(path);
  files += kind == FTW_F;
  return 0;
}

static int take(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)about, (void)kind;
  if (place->level > 0 && remove(path)) fail(path);
  return 0;
}

static void make(const char *dir, long count) {
  char name[4096];
  for (long i = 0; i < count; i++) {
    if (i % 1000 == 0) {
      snprintf(name, sizeof name, "%s/%ld", dir, i / 1000);
      if (mkdir(name, 0755)) fail(name);
    }
    snprintf(name, sizeof name, "%s/%ld/%ld", dir, i / 1000, i % 1000);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd < 0) fail(name);
    close(fd);
  }
}

int main(int count, char **words) {
  if (count < 3) return 2;
  if (strcmp(words[1], "make") == 0) make(words[2], atol(words[3]));
  else if (nftw(words[2], strcmp(words[1], "walk") == 0 ? look : take, 64, FTW_PHYS | (strcmp(words[1], "walk") ? FTW_DEPTH : 0))) fail(words[2]);
  printf("%ld\n", files);
  return 0;
}
