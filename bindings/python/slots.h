/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers for Python objects. The client sends them back, and a hostile one sends any: a number is a
 * place and how often the place has been used, so that one which was never given out, or is no longer
 * valid, is found out.
 */
#ifndef FBPY_SLOTS_H
#define FBPY_SLOTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <libfb/listing.h>
#include <stdbool.h>
#include <stdint.h>

struct fbpy_slot {
	PyObject *object; /* NULL: free */
	PyObject *extra;  /* of a file: its backing file; of a directory: list of entries */
	struct fb_listing *listing; /* of a directory */
	uint64_t count;             /* of a node: lookups */
	uint64_t ino;               /* of a node: as the client was told; 0: nothing yet */
	uint32_t generation;
	uint32_t next_free;
};

struct fbpy_slots {
	struct fbpy_slot *slots; /* [0] is never used */
	uint32_t size, used, first_free, live;
};

/* Give object (a new reference is kept) a number. 0: no memory, with an error set. */
uint64_t fbpy_slots_add(struct fbpy_slots *slots, PyObject *object);
/* Find what a number stands for, or NULL. */
struct fbpy_slot *fbpy_slots_get(struct fbpy_slots *slots, uint64_t number);
/* Free the number. The object's reference is given to the caller; NULL: not a number. */
PyObject *fbpy_slots_take(struct fbpy_slots *slots, uint64_t number);
void fbpy_slots_clear(struct fbpy_slots *slots);

#endif
