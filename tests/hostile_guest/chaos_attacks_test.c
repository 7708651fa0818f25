/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once: a guest that writes anything into a ring and its requests, from a thread of its own,
 * a monitor that changes memory and stops and starts that ring, and a ring beside it that goes on.
 */
#include "stage.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/op_row.h"

#define PAGE 4096u
#define AREA (64 * PAGE) /* of the guest's memory, where requests and answers are */
#define ROUNDS 400
#define HANG_UPS 30

static atomic_bool enough;
static uint64_t area;
static uint8_t *bytes;

/* The same numbers in each run; the threads' turns differ all the same. */
static uint32_t any(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* ---- the guest ------------------------------------------------------------------------------------ */

static uint64_t any_page(uint32_t *seed)
{
	return any(seed) % (AREA / PAGE) * PAGE;
}

static void store(uint64_t page, const void *from, size_t size)
{
	const uint64_t *words = from;

	for (size_t i = 0; i < size / 8; i++)
		__atomic_store_n((uint64_t *)(void *)(bytes + page) + i, words[i],
				 __ATOMIC_RELAXED);
}

/* A request that may be right. Greetings and goodbyes would end the good guest's session. */
static uint32_t make_request(uint64_t page, uint32_t *seed)
{
	struct {
		struct fb_wire_in_header header;
		uint64_t rest[32];
	} message = { .header = { .opcode = 1 + any(seed) % 53,
				  .unique = any(seed) % 16,
				  .nodeid = 1 + any(seed) % 8 } };
	const struct fb_op_row *row = fb_op_row_find(message.header.opcode);
	size_t size = row ? row->in_size : 0;

	if (!row || row->opcode == FB_OP_INIT || row->opcode == FB_OP_DESTROY)
		return 0;
	for (size_t i = 0; i < size / 8; i++)
		message.rest[i] = any(seed) % 4;
	for (unsigned i = 0; i < row->names; i++, size += 2)
		memcpy((uint8_t *)message.rest + size, i ? "b" : "a", 2);
	message.header.len = (uint32_t)(IN_HEADER + size);
	store(page, &message, sizeof(message));
	return message.header.len;
}

static void store_descriptor(struct guest_ring *r, unsigned index, uint64_t at, uint32_t len,
			     uint16_t flags, uint16_t next)
{
	struct fb_wire_vring_desc desc;
	uint64_t words[2];

	guest_ring_write_desc(&desc, at, len, flags, next);
	memcpy(words, &desc, sizeof(words));
	for (unsigned i = 0; i < 2; i++)
		__atomic_store_n((uint64_t *)(void *)&r->desc[index] + i, words[i],
				 __ATOMIC_RELAXED);
}

/* A descriptor of anything, in the place of any. */
static void spoil(struct guest_ring *r, uint32_t *seed)
{
	static const uint32_t lengths[] = { 0, 16, 40, 64, 120, 160, 4096, 65536 };

	store_descriptor(r, any(seed) % r->size, any(seed) % 8 ? area + any_page(seed) : any(seed),
			 lengths[any(seed) % 8], (uint16_t)(any(seed) % 8),
			 (uint16_t)(any(seed) % (r->size + 2)));
}

static void *rage(void *arg)
{
	struct guest_ring *r = arg;
	const uint64_t one = 1;
	uint32_t seed = 4711;

	for (unsigned turn = 0; !enough; turn += 2) {
		uint16_t idx = guest_ring_load(r->avail + FB_VRING_IDX);
		uint16_t head = (uint16_t)(turn % r->size);
		uint64_t page = any_page(&seed);

		store_descriptor(r, head, area + page, make_request(page, &seed),
				 FB_VRING_DESC_NEXT, head + 1);
		store_descriptor(r, head + 1u, area + any_page(&seed), PAGE, FB_VRING_DESC_WRITE,
				 0);
		guest_ring_store(guest_ring_avail_entry(r, idx), head);
		/* Sometimes behind the device's back, or further than there is. */
		guest_ring_store(r->avail + FB_VRING_IDX,
				 (uint16_t)(any(&seed) % 20000 ? idx + 1u : any(&seed)));
		if (any(&seed) % 4 == 0)
			spoil(r, &seed);
		if (write(r->kick_fd, &one, sizeof(one)) < 0)
			return "no kicks";
	}
	return NULL;
}

/* ---- the good guest -------------------------------------------------------------------------------- */

static void *go_on(void *arg)
{
	static unsigned done;

	(void)arg;
	for (done = 0; !enough; done++) {
		struct fb_wire_attr attr;
		int r = guest_getattr(&other, GUEST_ROOT, &attr);

		/* The other one may have hit upon a goodbye. */
		if (r < 0 && r != -EIO)
			return strerror(-r);
	}
	return done > 0 ? NULL : "nothing was done";
}

/* ---- the monitor ------------------------------------------------------------------------------------ */

static void stop_ring(void)
{
	uint16_t base;

	assert_int_equal(front_end_get_vring_base(&guest->fe, GUEST_REQUESTS, &base), 0);
}

static void start_ring(void)
{
	struct front_end *fe = &guest->fe;
	const struct front_end_ring *r = &guest->machine.rings[GUEST_REQUESTS];
	uint16_t base = guest_ring_load(ring()->avail + FB_VRING_IDX);

	assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_NUM, 1, r->num), 0);
	assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_BASE, 1, base), 0);
	assert_int_equal(front_end_tell_ring_addr(fe, true, 1, 0, &guest->ram, r), 0);
	assert_int_equal(front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_KICK, 1, r->kick), 0);
	assert_int_equal(front_end_tell_ring_fd(fe, true, VHOST_SET_VRING_CALL, 1, r->call), 0);
	assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, 1, 1), 0);
}

/* One of the things that monitors do. */
static void interfere(uint32_t what, unsigned region)
{
	struct front_end *fe = &guest->fe;
	uint64_t features = fe->features;

	switch (what % 6) {
	case 0:
		stop_ring();
		start_ring();
		break;
	case 1:
		assert_int_equal(front_end_remove_region(fe, &guest->ram, region), 0);
		assert_int_equal(front_end_add_region(fe, &guest->ram, region), 0);
		break;
	case 2:
		assert_int_equal(front_end_set_mem_table(fe, true, &guest->ram), 0);
		break;
	case 3:
		assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, 1, 0), 0);
		assert_int_equal(front_end_tell_ring(fe, true, VHOST_SET_VRING_ENABLE, 1, 1), 0);
		break;
	case 4:
		features |= FB_VIRTIO_F_LOG_ALL;
		assert_int_equal(TELL(VHOST_SET_FEATURES, features, NULL, 0), 0);
		break;
	default:
		assert_int_equal(TELL(VHOST_SET_FEATURES, features, NULL, 0), 0);
	}
}

/* How much of it came as far as a request. */
static void tell_what_was_done(void)
{
	struct fb_session_stats all = { .size = sizeof(all) };
	struct fb_stats of;
	uint64_t good = 0, kinds = 0;

	fb_session_stats_all(device.session, &all);
	for (size_t i = 0; fb_session_stats_op(device.session, i, &of); i++) {
		good += of.requests - of.errors;
		kinds += of.requests > of.errors;
	}
	print_message("%lu requests of %lu kinds were good, %lu malformed\n", (unsigned long)good,
		      (unsigned long)kinds, (unsigned long)all.malformed);
}

/* The area in a region of its own. Returns the region. */
static unsigned make_area(void)
{
	unsigned region;

	area = UINT64_C(1) << 40;
	assert_int_equal(guest_ram_add(&guest->ram, area, AREA, 0, &region), 0);
	assert_int_equal(front_end_add_region(&guest->fe, &guest->ram, region), 0);
	bytes = guest_ram_ptr(&guest->ram, area, AREA);
	return region;
}

static void test_R12_everything_at_once(void **state)
{
	pthread_t threads[2];
	void *results[2];
	unsigned region = make_area(), mappings;
	uint32_t seed = 1;
	int log = memfd_create("log", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(log, 1 << 18), 0);
	assert_int_equal(front_end_set_log_base(&guest->fe, 1 << 18, 0, log), 0);
	mappings = count_mappings();
	enough = false;
	assert_int_equal(pthread_create(&threads[0], NULL, rage, ring()), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, go_on, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		interfere(any(&seed), region);
		usleep(1000);
	}
	enough = true;
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], &results[i]);
		assert_null(results[i]);
	}
	assert_int_equal(count_mappings(), mappings);
	close(log);
	tell_what_was_done();
	restart();
	greet(FLAGS);
	works();
}

/* The monitor dies at any moment; its memory and its guest go on for a while. */
static void test_M14_hang_up_in_a_rage(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < HANG_UPS; i++) {
		pthread_t thread;
		void *result;

		(void)make_area();
		(void)wait_for_lock("locked");
		enough = false;
		assert_int_equal(pthread_create(&thread, NULL, rage, ring()), 0);
		usleep(any(&seed) % 20000);
		front_end_close(&guest->fe);
		assert_int_equal(device_wait(&device), 0);
		enough = true;
		pthread_join(thread, &result);
		assert_null(result);
		connect_anew(&(struct guest_options){ .style = FRONT_END_QEMU10, .queues = 2 });
		greet(FLAGS);
		works();
		assert_int_equal(unlink(host_path("locked")), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_R12_everything_at_once),
		TEST(test_M14_hang_up_in_a_rage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
