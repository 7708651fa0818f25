/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver in memory whose every operation takes the same time however many nodes there are: one
 * directory of files "f0", "f1", …, each a place in an array. For one thread at a time.
 */
#ifndef TESTS_BENCH_ARRAY_DRIVER_H
#define TESTS_BENCH_ARRAY_DRIVER_H

#include <libfb/driver.h>

/* Bytes of content, shared by all files. */
#define ARRAY_FILE_SIZE 4096

struct array_node {
	uint64_t size, lookups;
	struct fb_time mtime;
	uint32_t mode, uid, gid, nlink;
};

struct array {
	uint32_t place_count;     /* nodes and names that there can be */
	struct array_node *nodes; /* by number of the file */
	uint32_t *node_of_name;   /* number of the file plus 1, or 0: no such name */
	uint8_t content[ARRAY_FILE_SIZE];
};

extern const struct fb_driver_ops array_ops;

/* The node of a file. */
static inline uint64_t array_node_id(uint32_t number)
{
	return FB_ROOT_NODE + 1 + number;
}

/* Make count files, and places for spare more that are created later. Returns 0 or -ENOMEM. */
int array_init(struct array *array, uint32_t count, uint32_t spare);
void array_fini(struct array *array);

#endif
