/* SPDX-License-Identifier: BSD-3-Clause */
#include "slots.h"

#define FIRST_SIZE 64u

static bool grow(struct fbpy_slots *slots)
{
	uint32_t size = slots->size ? slots->size * 2 : FIRST_SIZE;
	struct fbpy_slot *more = PyMem_RawRealloc(slots->slots, size * sizeof(*more));

	if (!more || size < slots->size) {
		PyErr_NoMemory();
		return false;
	}
	memset(more + slots->size, 0, (size - slots->size) * sizeof(*more));
	if (!slots->size)
		slots->used = 1;
	slots->slots = more;
	slots->size = size;
	return true;
}

uint64_t fbpy_slots_add(struct fbpy_slots *slots, PyObject *object)
{
	uint32_t at = slots->first_free;
	struct fbpy_slot *slot;

	if (!at && slots->used == slots->size && !grow(slots))
		return 0;
	if (!at)
		at = slots->used++;
	slot = &slots->slots[at];
	slots->first_free = slot->next_free;
	slot->next_free = 0;
	slot->object = Py_NewRef(object);
	slot->count = 0;
	slot->ino = 0;
	slots->live++;
	return (uint64_t)slot->generation << 32 | at;
}

struct fbpy_slot *fbpy_slots_get(struct fbpy_slots *slots, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	if (at == 0 || at >= slots->used || !slots->slots[at].object ||
	    slots->slots[at].generation != number >> 32)
		return NULL;
	return &slots->slots[at];
}

PyObject *fbpy_slots_take(struct fbpy_slots *slots, uint64_t number)
{
	struct fbpy_slot *slot = fbpy_slots_get(slots, number);
	PyObject *object, *extra;

	if (!slot)
		return NULL;
	object = slot->object;
	extra = slot->extra;
	fb_listing_free(slot->listing);
	slot->object = slot->extra = NULL;
	slot->listing = NULL;
	slot->generation++;
	slot->next_free = slots->first_free;
	slots->first_free = (uint32_t)number;
	slots->live--;
	/* Last: this can run any code, which may change the table. */
	Py_XDECREF(extra);
	return object;
}

void fbpy_slots_clear(struct fbpy_slots *slots)
{
	for (uint32_t at = 1; at < slots->used; at++) {
		uint64_t number = (uint64_t)slots->slots[at].generation << 32 | at;

		Py_XDECREF(fbpy_slots_take(slots, number));
	}
	PyMem_RawFree(slots->slots);
	*slots = (struct fbpy_slots){ 0 };
}
