/* Belongs to root and is set-user-ID: tells whether that has an effect. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
  printf("Effective uid: %d\n", geteuid());
  return 0;
}
