# gcc and make: a small project, built twice; the second time nothing is to be done, and no clock is skewed.
set -e
i=0; while [ $i -lt 20 ]; do echo "int f$i(void) { return $i; }" >f$i.c; i=$((i + 1)); done
echo 'int f19(void); int main(void) { return f19() != 19; }' >main.c
printf 'all: program\nprogram: $(patsubst %%.c,%%.o,$(wildcard *.c))\n\tgcc -o $@ $^\n' >Makefile
make -j2 >first 2>&1
./program
make >second 2>&1
grep -q 'Nothing to be done' second
touch f3.c
make >third 2>&1
[ "$(grep -c 'f3.c' third)" = 1 ]
! grep -i 'skew\|future' first second third
