/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/news.h"
#include "core/scope.h"
#include "core/thread.h"
#include "transport/dirty_log.h"
#include "transport/guest_memory.h"
#include "transport/virtio_ready.h"

#define NOT_SHARED                                                                                 \
	"not in memory that the front end shares (QEMU needs memory-backend-memfd,share=on)"

void fb_ring_init(struct fb_virtio_ring *ring, unsigned index, struct fb_ready *ready,
		  struct fb_dirty_log *log)
{
	*ring = (struct fb_virtio_ring){
		.index = index,
		.ready = ready,
		.log = log,
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
	};
	pthread_mutex_init(&ring->lock, NULL);
}

/* Put another descriptor in the place of one. */
static void replace_fd(int *fd, int by)
{
	if (*fd >= 0)
		close(*fd);
	/* They belong to the front end too, but nobody of its side waits by reading or writing them. */
	if (by >= 0)
		fcntl(by, F_SETFL, O_NONBLOCK);
	*fd = by;
}

void fb_ring_fini(struct fb_virtio_ring *ring)
{
	replace_fd(&ring->kick_fd, -1);
	replace_fd(&ring->call_fd, -1);
	replace_fd(&ring->err_fd, -1);
	fb_virtqueue_fini(&ring->queue);
	fb_guest_memory_unref(ring->memory);
	pthread_mutex_destroy(&ring->lock);
}

/* ---- from what was said to a ring that works ------------------------------------------------ */

static bool is_aligned(const void *at, uintptr_t to)
{
	return ((uintptr_t)at & (to - 1)) == 0;
}

/* Find the ring's three parts in the memory that is there now. */
static int map(struct fb_virtio_ring *ring)
{
	const struct fb_wire_vhost_ring_addr *addr = &ring->addr;
	const uint8_t *desc =
		fb_guest_memory_user(ring->memory, addr->desc, FB_VRING_DESC_SIZE(ring->num));
	uint8_t *avail =
		fb_guest_memory_user(ring->memory, addr->avail, FB_VRING_AVAIL_SIZE(ring->num));
	uint8_t *used =
		fb_guest_memory_user(ring->memory, addr->used, FB_VRING_USED_SIZE(ring->num));

	if (!desc || !avail || !used || !is_aligned(desc, 16) || !is_aligned(avail, 2) ||
	    !is_aligned(used, 4))
		return -EFAULT;
	ring->descriptors = (struct fb_descriptors){
		.table = desc,
		.num = (uint16_t)ring->num,
		.indirect = ring->features & FB_VIRTIO_F_INDIRECT_DESC,
	};
	ring->queue.avail = avail;
	ring->queue.used = used;
	ring->queue.num = (uint16_t)ring->num;
	ring->queue.event_idx = ring->features & FB_VIRTIO_F_EVENT_IDX;
	return 0;
}

/* Whether the ring can be used; where it begins, it begins. */
static bool prepare(struct fb_virtio_ring *ring)
{
	if (!ring->started || !ring->enabled || ring->broken || !ring->addr_set || !ring->num ||
	    !ring->memory)
		return false;
	if (map(ring) < 0) {
		if (fb_is_news(&ring->unmapped))
			fb_log(FB_LOG_WARNING, "ring %u is " NOT_SHARED, ring->index);
		return false;
	}
	if (ring->fresh && fb_virtqueue_start(&ring->queue, ring->base) < 0)
		return false;
	ring->fresh = false;
	return true;
}

/* Something was said: the ring may be usable now, or no longer. Under the lock. */
static void update(struct fb_virtio_ring *ring)
{
	bool live = prepare(ring);

	if (live == ring->live)
		return;
	ring->live = live;
	if (!live) {
		fb_ready_unwatch(ring->ready, ring->kick_fd);
		return;
	}
	if (fb_ready_watch(ring->ready, ring->kick_fd, ring) < 0)
		ring->live = false;
	else
		fb_ready_name(ring->ready, ring); /* chains may wait already */
}

int fb_ring_set_num(struct fb_virtio_ring *ring, uint32_t num)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (num == 0 || num > FB_VRING_SIZE_MAX || (num & (num - 1)))
		return fb_fail(EINVAL, "ring %u: %u entries", ring->index, num);
	if (ring->started)
		return fb_fail(EBUSY, "ring %u is running", ring->index);
	ring->num = num;
	return 0;
}

int fb_ring_set_base(struct fb_virtio_ring *ring, uint32_t base)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (ring->started)
		return fb_fail(EBUSY, "ring %u is running", ring->index);
	ring->base = (uint16_t)base;
	return 0;
}

static bool is_same(const struct fb_wire_vhost_ring_addr *a,
		    const struct fb_wire_vhost_ring_addr *b)
{
	return a->desc == b->desc && a->avail == b->avail && a->used == b->used;
}

int fb_ring_set_addr(struct fb_virtio_ring *ring, const struct fb_wire_vhost_ring_addr *addr)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (addr->desc % 16 || addr->avail % 2 || addr->used % 4)
		return fb_fail(EINVAL, "ring %u: addresses are not aligned", ring->index);
	if (ring->started && ring->addr_set && !is_same(addr, &ring->addr))
		return fb_fail(EBUSY, "ring %u is running", ring->index);
	if (!ring->memory || !fb_guest_memory_user(ring->memory, addr->desc, 16))
		return fb_fail(EFAULT, "ring %u is " NOT_SHARED, ring->index);
	ring->addr = *addr;
	ring->addr_set = true;
	update(ring);
	return 0;
}

void fb_ring_set_features(struct fb_virtio_ring *ring, uint64_t features)
{
	FB_SCOPED_LOCK(&ring->lock);
	ring->features = features;
	if (!(features & FB_VHOST_F_PROTOCOL_FEATURES))
		ring->enabled = true;
	update(ring);
}

void fb_ring_set_memory(struct fb_virtio_ring *ring, struct fb_guest_memory *memory)
{
	struct fb_guest_memory *old;

	pthread_mutex_lock(&ring->lock);
	old = ring->memory;
	ring->memory = memory ? fb_guest_memory_ref(memory) : NULL;
	update(ring);
	pthread_mutex_unlock(&ring->lock);
	fb_guest_memory_unref(old);
}

void fb_ring_enable(struct fb_virtio_ring *ring, bool enable)
{
	FB_SCOPED_LOCK(&ring->lock);
	ring->enabled = enable;
	update(ring);
}

int fb_ring_set_kick(struct fb_virtio_ring *ring, int kick_fd)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (kick_fd < 0)
		return fb_fail(EINVAL, "ring %u: a ring without kicks", ring->index);
	if (ring->live)
		fb_ready_unwatch(ring->ready, ring->kick_fd);
	ring->live = false;
	replace_fd(&ring->kick_fd, kick_fd);
	/* KICK before ADDR: there is nothing to start. */
	if (!ring->started && ring->addr_set)
		ring->started = ring->fresh = true;
	update(ring);
	return 0;
}

/* Tell the guest, or whoever it is. Under the lock, since the descriptor may be replaced. */
static void notify(int fd)
{
	/* SIGPIPE of what is no eventfd is blocked in our threads. */
	if (fd >= 0)
		fb_eventfd_signal(fd);
}

void fb_ring_set_call(struct fb_virtio_ring *ring, int call_fd)
{
	FB_SCOPED_LOCK(&ring->lock);
	replace_fd(&ring->call_fd, call_fd);
	/* A call may have gone to the old one, which nobody looks at any more. */
	if (ring->started)
		notify(ring->call_fd);
}

void fb_ring_set_err(struct fb_virtio_ring *ring, int err_fd)
{
	FB_SCOPED_LOCK(&ring->lock);
	replace_fd(&ring->err_fd, err_fd);
}

void fb_ring_pause(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (ring->live)
		fb_ready_unwatch(ring->ready, ring->kick_fd);
	ring->live = false;
}

bool fb_ring_is_started(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	return ring->started;
}

unsigned fb_ring_under_way(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	return ring->queue.under_way;
}

uint16_t fb_ring_stop(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	if (ring->started && !ring->fresh)
		ring->base = ring->queue.next_avail;
	ring->started = ring->fresh = ring->broken = false;
	replace_fd(&ring->kick_fd, -1);
	replace_fd(&ring->call_fd, -1);
	return ring->base;
}

void fb_ring_forget(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	ring->enabled = ring->addr_set = false;
	ring->num = 0;
	ring->base = 0;
	ring->features = 0;
}

/* ---- chains --------------------------------------------------------------------------------- */

/* The guest wrote what can not be: nothing of this ring makes sense any more. Under the lock. */
static void break_ring(struct fb_virtio_ring *ring)
{
	if (fb_is_news(&ring->breaks))
		fb_log(FB_LOG_WARNING, "ring %u is broken: its guest offers chains that can not be",
		       ring->index);
	ring->broken = true;
	update(ring);
	notify(ring->err_fd);
}

/* Note where the ring itself was written, for a front end that migrates its guest. */
static void log_used(struct fb_virtio_ring *ring, uint64_t at, uint64_t size)
{
	if (ring->addr.flags & FB_VHOST_RING_LOG)
		fb_dirty_log_mark(ring->log, ring->addr.log + at, size);
}

/* Leave the ring to its kicks. Returns false when a chain came meanwhile. Under the lock. */
static bool rest(struct fb_virtio_ring *ring)
{
	bool empty = fb_virtqueue_rest(&ring->queue);

	log_used(ring, 0, FB_VRING_ENTRIES);
	log_used(ring, FB_VRING_USED_SIZE(ring->num) - 2, 2);
	ring->resting = empty;
	return empty;
}

/* Take the next head. Returns it, or -errno when there is none. */
static int take_head(struct fb_virtio_ring *ring, struct fb_ring_work *work,
		     struct fb_descriptors *ret_descriptors)
{
	int head;

	FB_SCOPED_LOCK(&ring->lock);
	if (!ring->live)
		return -EAGAIN;
	do
		head = fb_virtqueue_take(&ring->queue);
	while (head == -EAGAIN && !rest(ring));
	if (head == -EPROTO)
		break_ring(ring);
	if (head < 0)
		return head;
	ring->resting = false;
	fb_virtqueue_busy(&ring->queue);
	atomic_fetch_add_explicit(&ring->taken, 1, memory_order_relaxed);
	work->ring = ring;
	work->head = (uint16_t)head;
	work->memory = fb_guest_memory_ref(ring->memory);
	*ret_descriptors = ring->descriptors;
	return head;
}

int fb_ring_take(struct fb_virtio_ring *ring, struct fb_ring_work *ret_work, struct fb_chain *chain)
{
	struct fb_descriptors descriptors;
	int r;

	if (take_head(ring, ret_work, &descriptors) < 0)
		return 0;
	r = fb_chain_walk(&descriptors, ret_work->memory, ret_work->head, chain);
	if (r == 0)
		return 1;
	if (fb_is_news(&ring->refused))
		fb_log(FB_LOG_WARNING, "ring %u: chain %u is refused: %s", ring->index,
		       atomic_load(&ring->refused), fb_last_error());
	fb_ring_give(ret_work, 0);
	return -EAGAIN;
}

void fb_ring_give(struct fb_ring_work *work, uint32_t len)
{
	struct fb_virtio_ring *ring = work->ring;
	struct fb_virtqueue *queue = &ring->queue;
	uint64_t slot;
	bool call;

	pthread_mutex_lock(&ring->lock);
	/* Where the ring was when this was taken, it still is: work holds that memory. */
	slot = queue->next_used & (queue->num - 1u);
	call = fb_virtqueue_give(queue, work->head, len);
	log_used(ring, FB_VRING_ENTRIES + slot * sizeof(struct fb_wire_vring_used),
		 sizeof(struct fb_wire_vring_used));
	log_used(ring, 0, FB_VRING_ENTRIES);
	if (call)
		notify(ring->call_fd);
	pthread_mutex_unlock(&ring->lock);
	fb_guest_memory_unref(work->memory);
	work->memory = NULL;
}

bool fb_ring_waits(struct fb_virtio_ring *ring)
{
	FB_SCOPED_LOCK(&ring->lock);
	return ring->live && fb_virtqueue_waits(&ring->queue);
}

bool fb_ring_is_stuck(struct fb_virtio_ring *ring)
{
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
	bool moved = taken != ring->taken_seen; /* the keeper's alone */

	ring->taken_seen = taken;
	FB_SCOPED_LOCK(&ring->lock);
	return !moved && ring->live && !ring->resting;
}
