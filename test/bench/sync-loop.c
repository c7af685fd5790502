// sync-loop FILE COUNT: writes 4 KiB at the end of a file and waits for the disk, COUNT times.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static char block[4096];
  int file = argc == 3 ? open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
  if (file < 0) return 1;
  for (int left = atoi(argv[2]); left > 0; left--) {
    if (write(file, block, sizeof block) != sizeof block || fsync(file) != 0) return 2;
  }
  return 0;
}
