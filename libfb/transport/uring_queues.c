/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/uring_queues.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Newer than Debian 12's <linux/io_uring.h>, as is the name of the field. */
#define SETUP_NO_MMAP (1u << 14)
#define USER_ADDRESS_AT 32
static_assert(sizeof(struct io_sqring_offsets) == USER_ADDRESS_AT + sizeof(uint64_t),
	      "as 6.5 has it");
static_assert(sizeof(struct io_cqring_offsets) == USER_ADDRESS_AT + sizeof(uint64_t),
	      "as 6.5 has it");

static void set_address(void *offsets, const void *memory)
{
	uint64_t address = (uintptr_t)memory;

	memcpy((uint8_t *)offsets + USER_ADDRESS_AT, &address, sizeof(address));
}

static unsigned *at(void *rings, uint32_t offset)
{
	return (unsigned *)(void *)((uint8_t *)rings + offset);
}

/* What io_uring_queue_mmap() does with memory of the kernel's. */
static void fill(struct io_uring *ring, int fd, const struct io_uring_params *params, void *rings,
		 void *sqes)
{
	struct io_uring_sq *sq = &ring->sq;
	struct io_uring_cq *cq = &ring->cq;

	*ring = (struct io_uring){ .flags = params->flags,
				   .ring_fd = fd,
				   .enter_ring_fd = fd,
				   .features = params->features };
	sq->ring_ptr = rings;
	sq->sqes = sqes;
	sq->khead = at(rings, params->sq_off.head);
	sq->ktail = at(rings, params->sq_off.tail);
	sq->kring_mask = at(rings, params->sq_off.ring_mask);
	sq->kring_entries = at(rings, params->sq_off.ring_entries);
	sq->kflags = at(rings, params->sq_off.flags);
	sq->kdropped = at(rings, params->sq_off.dropped);
	sq->array = at(rings, params->sq_off.array);
	sq->ring_mask = *sq->kring_mask;
	sq->ring_entries = *sq->kring_entries;
	for (unsigned i = 0; i < sq->ring_entries; i++)
		sq->array[i] = i;
	cq->khead = at(rings, params->cq_off.head);
	cq->ktail = at(rings, params->cq_off.tail);
	cq->kring_mask = at(rings, params->cq_off.ring_mask);
	cq->kring_entries = at(rings, params->cq_off.ring_entries);
	cq->koverflow = at(rings, params->cq_off.overflow);
	cq->kflags = at(rings, params->cq_off.flags);
	cq->cqes = (void *)at(rings, params->cq_off.cqes);
	cq->ring_mask = *cq->kring_mask;
	cq->ring_entries = *cq->kring_entries;
}

int fb_uring_queues_init(unsigned entries, struct io_uring_params *params,
			 struct io_uring *ret_ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *memory =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	/* The pages are the kernel's too: a child must not make it get others. */
	madvise(memory, 2 * page, MADV_DONTFORK);
	params->flags |= SETUP_NO_MMAP;
	set_address(&params->cq_off, memory);
	set_address(&params->sq_off, memory + page);
	fd = io_uring_setup(entries, params);
	if (fd < 0) {
		munmap(memory, 2 * page);
		return fd;
	}
	fill(ret_ring, fd, params, memory, memory + page);
	return 0;
}

void fb_uring_queues_fini(struct io_uring *ring)
{
	if (ring->ring_fd >= 0)
		close(ring->ring_fd);
	munmap(ring->sq.ring_ptr, 2 * (size_t)sysconf(_SC_PAGESIZE));
}
