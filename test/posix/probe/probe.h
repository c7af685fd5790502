/* What the parts of the probe share. */
#define BLOCK 4096

/* Prints a question and its answer. */
void say(const char *name, const char *value);

/* The answer of a call: its result must not be negative. */
void call(const char *name, long result);

/* A file with `blocks` blocks of data, each filled with its own letter. */
int make(const char *name, int blocks);

/* Questions about attributes, and about who may do what (owners.c). */
void attributes(void);
void owners(void);
