/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough driver's table of open files: which numbers find a handle, and that one in use
 * stays whole.
 */
#include "cmocka_setup.h"

#include "drivers/passthrough/handle_table.h"
#include "drivers/passthrough/state.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODE 7u

static int setup(void **state)
{
	struct fb_passthrough *fs = aligned_alloc(_Alignof(struct fb_passthrough), sizeof(*fs));

	assert_non_null(fs);
	memset(fs, 0, sizeof(*fs));
	fs->budget.limit = fs->budget.watermark = 100000;
	assert_int_equal(fb_handle_table_new(&fs->handles), 0);
	*state = fs;
	return 0;
}

static int teardown(void **state)
{
	struct fb_passthrough *fs = *state;

	fb_handle_table_clear(fs);
	assert_int_equal(fs->budget.taken, 0);
	fb_handle_table_free(fs->handles);
	free(fs);
	return 0;
}

static int open_counted(struct fb_passthrough *fs)
{
	int fd = memfd_create("handle", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fb_budget_take(fs), 0);
	return fd;
}

static uint64_t add(struct fb_passthrough *fs, enum fb_handle_kind kind, uint64_t node)
{
	const struct fb_handle_parts parts = {
		.kind = kind,
		.node = node,
		.fd = open_counted(fs),
		.flags = O_RDWR,
	};
	uint64_t fh = 0;

	assert_int_equal(fb_handle_add(fs, &parts, &fh), 0);
	assert_int_not_equal(fh, 0);
	return fh;
}

static void close_handle(struct fb_passthrough *fs, uint64_t fh, enum fb_handle_kind kind)
{
	struct fb_handle *handle = fb_handle_close(fs, fh, NODE, kind);

	assert_non_null(handle);
	fb_handle_put(fs, handle);
}

static void finds_what_was_added(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t fh = add(fs, FB_HANDLE_FILE, NODE);
	struct fb_handle *handle = fb_handle_get(fs, fh, NODE, FB_HANDLE_FILE);

	assert_non_null(handle);
	assert_true(fcntl(handle->fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(handle->node, NODE);
	assert_true(fb_handle_fh(handle) == fh);
	assert_true(fb_handle_is_open(handle));
	fb_handle_put(fs, handle);
}

static void other_node_or_kind_finds_nothing(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t file = add(fs, FB_HANDLE_FILE, NODE);
	uint64_t dir = add(fs, FB_HANDLE_DIR, NODE);

	assert_null(fb_handle_get(fs, file, NODE + 1, FB_HANDLE_FILE));
	assert_null(fb_handle_get(fs, file, NODE, FB_HANDLE_DIR));
	assert_null(fb_handle_get(fs, dir, NODE, FB_HANDLE_FILE));
	assert_null(fb_handle_close(fs, file, NODE + 1, FB_HANDLE_FILE));
	assert_null(fb_handle_close(fs, dir, NODE, FB_HANDLE_FILE));
	close_handle(fs, file, FB_HANDLE_FILE);
	close_handle(fs, dir, FB_HANDLE_DIR);
}

static void made_up_numbers_find_nothing(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t fh = add(fs, FB_HANDLE_FILE, NODE);
	const uint64_t wrong[] = {
		0,
		1,
		fh + 1,
		fh + FB_HANDLE_CHUNK_SLOTS,
		fh + (UINT64_C(1) << 32),
		fh - (UINT64_C(1) << 32),
		UINT64_MAX,
		UINT32_MAX,
		(uint64_t)UINT32_MAX << 32,
		fh | FB_HANDLES_MAX,
		fh | 0x80000000u,
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(fb_handle_get(fs, wrong[i], NODE, FB_HANDLE_FILE));
		assert_null(fb_handle_close(fs, wrong[i], NODE, FB_HANDLE_FILE));
	}
}

static void released_numbers_find_nothing(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t old = add(fs, FB_HANDLE_FILE, NODE), again;

	close_handle(fs, old, FB_HANDLE_FILE);
	assert_null(fb_handle_get(fs, old, NODE, FB_HANDLE_FILE));
	assert_null(fb_handle_close(fs, old, NODE, FB_HANDLE_FILE));
	/* The slot is used again, the number is not. */
	again = add(fs, FB_HANDLE_FILE, NODE);
	assert_true((uint32_t)again == (uint32_t)old);
	assert_true(again != old);
	assert_null(fb_handle_get(fs, old, NODE, FB_HANDLE_FILE));
}

static void release_waits_for_those_who_use_it(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t fh = add(fs, FB_HANDLE_FILE, NODE);
	struct fb_handle *handle = fb_handle_get(fs, fh, NODE, FB_HANDLE_FILE);
	int fd = handle->fd;

	close_handle(fs, fh, FB_HANDLE_FILE);
	assert_false(fb_handle_is_open(handle));
	assert_null(fb_handle_get(fs, fh, NODE, FB_HANDLE_FILE));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fs->budget.taken, 1);
	fb_handle_put(fs, handle);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fs->budget.taken, 0);
}

static void closes_the_second_descriptor_too(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t fh = add(fs, FB_HANDLE_FILE, NODE);
	struct fb_handle *handle = fb_handle_get(fs, fh, NODE, FB_HANDLE_FILE);
	int cached = open_counted(fs);

	handle->cached_fd = cached;
	fb_handle_put(fs, handle);
	close_handle(fs, fh, FB_HANDLE_FILE);
	assert_int_equal(fcntl(cached, F_GETFD), -1);
	assert_int_equal(fs->budget.taken, 0);
}

static void many_are_all_different(void **state)
{
	enum { COUNT = 3 * FB_HANDLE_CHUNK_SLOTS + 5 };
	struct fb_passthrough *fs = *state;
	static uint64_t fhs[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		fhs[i] = add(fs, FB_HANDLE_FILE, i);
	for (size_t i = 0; i < COUNT; i++) {
		struct fb_handle *handle = fb_handle_get(fs, fhs[i], i, FB_HANDLE_FILE);

		assert_non_null(handle);
		fb_handle_put(fs, handle);
	}
	assert_int_equal(fs->handles->open, COUNT);
	fb_handle_table_clear(fs);
	assert_int_equal(fs->budget.taken, 0);
	assert_null(fb_handle_get(fs, fhs[0], 0, FB_HANDLE_FILE));
}

static void a_worn_out_slot_is_not_used_again(void **state)
{
	struct fb_passthrough *fs = *state;
	uint64_t fh = add(fs, FB_HANDLE_FILE, NODE), other;
	struct fb_handle *handle = fb_handle_get(fs, fh, NODE, FB_HANDLE_FILE);

	fb_handle_put(fs, handle);
	handle->state = (handle->state & UINT32_MAX) | (uint64_t)UINT32_MAX << 32;
	close_handle(fs, fh | (uint64_t)UINT32_MAX << 32, FB_HANDLE_FILE);
	other = add(fs, FB_HANDLE_FILE, NODE);
	assert_true((uint32_t)other != (uint32_t)fh);
}

/* Threads read through handles while others release and open them. */
#define STRESS_HANDLES 8
#define STRESS_ROUNDS 3000

struct stress {
	struct fb_passthrough *fs;
	_Atomic uint64_t fhs[STRESS_HANDLES];
	_Atomic bool stop;
	_Atomic unsigned failures, hits;
};

/* Each file holds its own node, so a read through the wrong one is seen. */
static uint64_t stress_open(struct stress *stress, uint64_t node)
{
	const struct fb_handle_parts parts = {
		.kind = FB_HANDLE_FILE,
		.node = node,
		.fd = memfd_create("stress", MFD_CLOEXEC),
		.flags = O_RDWR,
	};
	uint64_t fh = 0;

	if (pwrite(parts.fd, &node, sizeof(node), 0) != sizeof(node) ||
	    fb_budget_take(stress->fs) < 0 || fb_handle_add(stress->fs, &parts, &fh) < 0)
		stress->failures++;
	return fh;
}

static void *stress_read(void *arg)
{
	struct stress *stress = arg;

	for (unsigned i = 0; !stress->stop; i++) {
		uint64_t node = i % STRESS_HANDLES, got = 0;
		struct fb_handle *handle =
			fb_handle_get(stress->fs, stress->fhs[node], node, FB_HANDLE_FILE);

		if (!handle)
			continue;
		if (pread(handle->fd, &got, sizeof(got), 0) != sizeof(got) || got != node)
			stress->failures++;
		stress->hits++;
		fb_handle_put(stress->fs, handle);
	}
	return NULL;
}

static void *stress_reopen(void *arg)
{
	struct stress *stress = arg;

	for (unsigned i = 0; i < STRESS_ROUNDS; i++) {
		uint64_t node = i % STRESS_HANDLES, fh = stress->fhs[node];
		struct fb_handle *handle = fb_handle_close(stress->fs, fh, node, FB_HANDLE_FILE);

		/* The other thread that does this may have been faster. */
		if (!handle)
			continue;
		stress->fhs[node] = stress_open(stress, node);
		fb_handle_put(stress->fs, handle);
	}
	return NULL;
}

static void threads_never_meet_a_closed_handle(void **state)
{
	static struct stress stress;
	pthread_t readers[3], reopeners[2];

	stress.fs = *state;
	for (uint64_t node = 0; node < STRESS_HANDLES; node++)
		stress.fhs[node] = stress_open(&stress, node);
	for (size_t i = 0; i < 3; i++)
		pthread_create(&readers[i], NULL, stress_read, &stress);
	for (size_t i = 0; i < 2; i++)
		pthread_create(&reopeners[i], NULL, stress_reopen, &stress);
	for (size_t i = 0; i < 2; i++)
		pthread_join(reopeners[i], NULL);
	stress.stop = true;
	for (size_t i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(stress.failures, 0);
	assert_int_not_equal(stress.hits, 0);
	assert_int_equal(stress.fs->handles->open, STRESS_HANDLES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_was_added),
		TEST(other_node_or_kind_finds_nothing),
		TEST(made_up_numbers_find_nothing),
		TEST(released_numbers_find_nothing),
		TEST(release_waits_for_those_who_use_it),
		TEST(closes_the_second_descriptor_too),
		TEST(many_are_all_different),
		TEST(a_worn_out_slot_is_not_used_again),
		TEST(threads_never_meet_a_closed_handle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
