/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks of the client's programs that the passthrough driver takes on the host. */
#include "cmocka_setup.h"

#include "share_client.h"

#include "drivers/passthrough/handle_table.h"
#include "drivers/passthrough/lock_owners.h"
#include "drivers/passthrough/lock_ranges.h"
#include "drivers/passthrough/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SOON_MS 5000
#define WHILE_MS 60

static struct share_client client;

static int setup(void **state)
{
	const struct fb_passthrough_options options = {
		.size = sizeof(options),
		.posix_lock = FB_ON,
		.flock = FB_ON,
	};

	(void)state;
	share_open(&client, &options, NULL);
	assert_true(client.granted & FB_INIT_POSIX_LOCKS);
	assert_true(client.granted & FB_INIT_FLOCK_LOCKS);
	share_make(&client, "f", "0123456789", 0666);
	share_make(&client, "g", "0123456789", 0666);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	share_close(&client);
	return 0;
}

static struct share_lock range(uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	return (struct share_lock){
		.owner = owner,
		.start = start,
		.end = end,
		.type = type,
		.pid = (uint32_t)owner,
	};
}

static int set(const struct share_file *file, uint64_t owner, uint32_t type, uint64_t start,
	       uint64_t end)
{
	const struct share_lock lock = range(owner, type, start, end);

	return share_lock(&client, FB_OP_SETLK, file, &lock, NULL);
}

static uint64_t wait_for(const struct share_file *file, uint64_t owner, uint32_t type,
			 uint64_t start, uint64_t end)
{
	const struct share_lock lock = range(owner, type, start, end);

	return share_lock_submit(&client, file, &lock);
}

static int receive(uint64_t ticket, int timeout_ms)
{
	return (int)share_receive(&client, ticket, NULL, 0, timeout_ms);
}

static struct fb_wire_file_lock test(const struct share_file *file, uint64_t owner, uint32_t type,
				     uint64_t start, uint64_t end)
{
	const struct share_lock lock = range(owner, type, start, end);
	struct fb_wire_lk_out found = { 0 };

	assert_int_equal(share_lock(&client, FB_OP_GETLK, file, &lock, &found), 0);
	return found.lk;
}

static void nap(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	nanosleep(&pause, NULL);
}

static void owners_exclude_each_other(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(set(&file, 2, F_WRLCK, 5, 6), -EAGAIN);
	assert_int_equal(set(&file, 2, F_RDLCK, 9, INT64_MAX), -EAGAIN);
	assert_int_equal(set(&file, 2, F_WRLCK, 10, INT64_MAX), 0);
	assert_int_equal(set(&file, 1, F_UNLCK, 4, 7), 0);
	assert_int_equal(set(&file, 2, F_WRLCK, 4, 7), 0);
	assert_int_equal(set(&file, 1, F_RDLCK, 0, 3), 0);
	assert_int_equal(set(&file, 2, F_RDLCK, 0, 3), 0);
	assert_int_equal(set(&file, 2, F_WRLCK, 0, 3), -EAGAIN);
}

static void nonsense_is_refused(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDONLY), other = file;
	struct share_lock lock = range(1, F_RDLCK, 0, 9);
	struct fb_wire_lk_out found = { 0 };

	(void)state;
	assert_int_equal(set(&file, 1, F_RDLCK, 9, 0), -EINVAL);
	assert_int_equal(set(&file, 1, F_RDLCK, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(set(&file, 1, 17, 0, 9), -EINVAL);
	/* The file was not opened for writing. */
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), -EBADF);
	other.fh++;
	assert_int_equal(set(&other, 1, F_RDLCK, 0, 9), -EBADF);
	lock.type = F_UNLCK;
	assert_int_equal(share_lock(&client, FB_OP_GETLK, &file, &lock, &found), -EINVAL);
	assert_int_equal(set(&file, 1, F_UNLCK, 0, INT64_MAX), 0);
}

static void getlk_names_the_holder(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	struct fb_wire_file_lock found;

	(void)state;
	assert_int_equal(test(&file, 1, F_WRLCK, 0, 9).type, F_UNLCK);
	assert_int_equal(set(&file, 7, F_WRLCK, 2, 5), 0);
	found = test(&file, 1, F_RDLCK, 0, INT64_MAX);
	assert_int_equal(found.type, F_WRLCK);
	assert_int_equal(found.start, 2);
	assert_int_equal(found.end, 5);
	assert_int_equal(found.pid, 7);
	assert_int_equal(test(&file, 7, F_WRLCK, 0, 9).type, F_UNLCK);
	assert_int_equal(test(&file, 1, F_WRLCK, 6, 9).type, F_UNLCK);
}

/* Programs of the host see the locks, and the other way round. */
static void the_host_takes_part(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	struct flock mine = { .l_type = F_WRLCK, .l_start = 0, .l_len = 5 };
	int fd = open(share_path(&client, "f"), O_RDWR | O_CLOEXEC);
	struct fb_wire_file_lock found;
	uint64_t ticket;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &mine), -1);
	assert_int_equal(set(&file, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &mine), 0);
	assert_int_equal(set(&file, 1, F_RDLCK, 4, 9), -EAGAIN);
	found = test(&file, 1, F_RDLCK, 4, 9);
	assert_int_equal(found.type, F_WRLCK);
	assert_int_equal(found.start, 0);
	assert_int_equal(found.end, 4);
	ticket = wait_for(&file, 1, F_RDLCK, 4, 9);
	assert_int_equal(receive(ticket, WHILE_MS), -ETIMEDOUT);
	close(fd);
	assert_int_equal(receive(ticket, SOON_MS), 0);
}

static void waits_until_the_holder_is_done(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	uint64_t ticket;

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	ticket = wait_for(&file, 2, F_WRLCK, 0, 9);
	assert_int_equal(receive(ticket, WHILE_MS), -ETIMEDOUT);
	assert_int_equal(set(&file, 1, F_UNLCK, 0, 4), 0);
	assert_int_equal(receive(ticket, WHILE_MS), -ETIMEDOUT);
	assert_int_equal(set(&file, 1, F_UNLCK, 5, 9), 0);
	assert_int_equal(receive(ticket, SOON_MS), 0);
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), -EAGAIN);
}

/* FLUSH drops its owner's locks of the file, and nobody else's. */
static void flush_drops_its_owner(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	uint64_t ticket;

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 4), 0);
	assert_int_equal(set(&file, 2, F_WRLCK, 5, 9), 0);
	ticket = wait_for(&file, 3, F_WRLCK, 0, 4);
	assert_int_equal(share_flush(&client, file.node, file.fh, 1), 0);
	assert_int_equal(receive(ticket, SOON_MS), 0);
	assert_int_equal(set(&file, 3, F_WRLCK, 5, 9), -EAGAIN);
}

/* An open file description lock ends with RELEASE, which names no owner. */
static void release_drops_who_locked_through_it(void **state)
{
	struct share_file first = share_open_name(&client, "f", O_RDWR);
	struct share_file second = share_open_name(&client, "f", O_RDWR);
	unsigned descriptors = share_descriptors();
	uint64_t ticket;

	(void)state;
	assert_int_equal(set(&first, 1, F_WRLCK, 0, 4), 0);
	assert_int_equal(set(&second, 2, F_WRLCK, 5, 9), 0);
	ticket = wait_for(&second, 3, F_WRLCK, 0, 4);
	share_release(&client, first.node, first.fh, 0);
	assert_int_equal(receive(ticket, SOON_MS), 0);
	assert_int_equal(set(&second, 3, F_WRLCK, 5, 9), -EAGAIN);
	share_release(&client, second.node, second.fh, 0);
	/* Who waited lets go of its handle just after it was answered. */
	for (int i = 0; i < 100 && share_descriptors() != descriptors - 2; i++)
		nap();
	assert_int_equal(share_descriptors(), descriptors - 2);
}

static void a_signal_ends_the_wait(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	struct share_lock flock_ex = {
		.owner = 8, .end = INT64_MAX, .type = F_WRLCK, .flags = FB_LK_FLOCK
	};
	struct share_file other = share_open_name(&client, "f", O_RDWR);
	uint64_t ticket;

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	ticket = wait_for(&file, 2, F_WRLCK, 0, 9);
	nap();
	share_interrupt(&client, client.unique);
	assert_int_equal(receive(ticket, SOON_MS), -EINTR);
	assert_int_equal(share_lock(&client, FB_OP_SETLK, &file, &flock_ex, NULL), 0);
	ticket = share_lock_submit(&client, &other, &flock_ex);
	nap();
	share_interrupt(&client, client.unique);
	assert_int_equal(receive(ticket, SOON_MS), -EINTR);
	/* The one that gave up holds nothing. */
	assert_int_equal(set(&file, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(set(&file, 3, F_WRLCK, 0, 9), 0);
}

static void deadlocks_are_found(void **state)
{
	struct share_file f = share_open_name(&client, "f", O_RDWR);
	struct share_file g = share_open_name(&client, "g", O_RDWR);
	struct share_lock lock = range(3, F_WRLCK, 0, 0);
	uint64_t first, second;

	(void)state;
	assert_int_equal(set(&f, 1, F_WRLCK, 0, 0), 0);
	assert_int_equal(set(&f, 2, F_WRLCK, 1, 1), 0);
	assert_int_equal(set(&g, 3, F_WRLCK, 0, 0), 0);
	first = wait_for(&f, 1, F_WRLCK, 1, 1);
	second = wait_for(&g, 2, F_WRLCK, 0, 0);
	/* 3 waits for 1, who waits for 2, who waits for 3. */
	assert_int_equal(share_lock(&client, FB_OP_SETLKW, &f, &lock, NULL), -EDEADLK);
	assert_int_equal(share_flush(&client, g.node, g.fh, 3), 0);
	assert_int_equal(receive(second, SOON_MS), 0);
	assert_int_equal(share_flush(&client, f.node, f.fh, 2), 0);
	assert_int_equal(receive(first, SOON_MS), 0);
}

/* Each waits for the next, in the order that is worst for the search. */
static void long_chains_are_followed(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	const struct share_lock last = range(40, F_WRLCK, 1, 1);
	uint64_t tickets[41];

	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		assert_int_equal(set(&file, i, F_WRLCK, i, i), 0);
	for (unsigned i = 39; i >= 1; i--)
		tickets[i] = wait_for(&file, i, F_WRLCK, i + 1, i + 1);
	assert_int_equal(share_lock(&client, FB_OP_SETLKW, &file, &last, NULL), -EDEADLK);
	for (unsigned i = 40; i > 1; i--) {
		assert_int_equal(share_flush(&client, file.node, file.fh, i), 0);
		assert_int_equal(receive(tickets[i - 1], SOON_MS), 0);
	}
}

/* An owner with as many ranges as it may have must be able to drop them. */
static void full_owners_can_unlock(void **state)
{
	const struct fb_lock more = { .start = UINT32_MAX, .end = UINT32_MAX, .type = F_WRLCK };
	const struct fb_lock hole = { .start = 21, .end = 21, .type = F_UNLCK };
	const struct fb_lock all = { .end = INT64_MAX, .type = F_UNLCK };
	struct fb_lock_ranges full = { .count = FB_LOCK_RANGES_MAX }, after;

	(void)state;
	full.items = calloc(full.count, sizeof(*full.items));
	assert_non_null(full.items);
	for (size_t i = 0; i < full.count; i++)
		full.items[i] =
			(struct fb_lock){ .start = i * 20, .end = i * 20 + 10, .type = F_WRLCK };
	assert_int_equal(fb_lock_ranges_with(&full, &more, &after), -ENOLCK);
	assert_int_equal(fb_lock_ranges_with(&full, &all, &after), 0);
	assert_int_equal(after.count, 0);
	free(after.items);
	/* This one makes two of one. */
	assert_int_equal(fb_lock_ranges_with(&full, &hole, &after), -ENOLCK);
	free(full.items);
}

/* What a client can have remembered is limited over all its owners, and comes back. */
static void all_owners_share_a_limit(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	_Atomic size_t *entries = &client.driver->handles->lock_entries;

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	assert_int_equal(set(&file, 2, F_RDLCK, 20, 29), 0);
	assert_int_equal(*entries, 4); /* a range and an open file each */
	*entries += FB_LOCK_ENTRIES_MAX - 4;
	assert_int_equal(set(&file, 3, F_WRLCK, 40, 49), -ENOLCK);
	assert_int_equal(set(&file, 1, F_WRLCK, 40, 49), -ENOLCK);
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 10), 0);
	assert_int_equal(set(&file, 1, F_UNLCK, 0, 10), 0);
	assert_int_equal(set(&file, 2, F_UNLCK, 0, INT64_MAX), 0);
	*entries -= FB_LOCK_ENTRIES_MAX - 4;
	assert_int_equal(*entries, 0);
}

static int flock_set(const struct share_file *file, uint32_t type)
{
	const struct share_lock lock = {
		.owner = file->fh, .end = INT64_MAX, .type = type, .flags = FB_LK_FLOCK
	};

	return share_lock(&client, FB_OP_SETLK, file, &lock, NULL);
}

static void flock_belongs_to_the_open_file(void **state)
{
	struct share_file first = share_open_name(&client, "f", O_RDONLY);
	struct share_file second = share_open_name(&client, "f", O_RDONLY);
	const struct share_lock want = {
		.owner = 2, .end = INT64_MAX, .type = F_WRLCK, .flags = FB_LK_FLOCK
	};
	int host = open(share_path(&client, "f"), O_RDONLY | O_CLOEXEC);
	uint64_t ticket;

	(void)state;
	assert_int_equal(flock_set(&first, F_WRLCK), 0);
	assert_int_equal(flock_set(&second, F_RDLCK), -EAGAIN);
	assert_int_equal(flock(host, LOCK_SH | LOCK_NB), -1);
	ticket = share_lock_submit(&client, &second, &want);
	assert_int_equal(receive(ticket, WHILE_MS), -ETIMEDOUT);
	share_release(&client, first.node, first.fh, FB_RELEASE_FLOCK_UNLOCK);
	assert_int_equal(receive(ticket, SOON_MS), 0);
	assert_int_equal(flock_set(&second, F_RDLCK), 0);
	assert_int_equal(flock(host, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(flock_set(&second, F_UNLCK), 0);
	assert_int_equal(flock(host, LOCK_EX | LOCK_NB), 0);
	close(host);
}

/* A handle that is released while its lock is waited for leaves no lock behind. */
static void release_ends_the_wait(void **state)
{
	struct share_file first = share_open_name(&client, "f", O_RDWR);
	struct share_file second = share_open_name(&client, "f", O_RDWR);
	uint64_t ticket;

	(void)state;
	assert_int_equal(set(&first, 1, F_WRLCK, 0, 9), 0);
	ticket = wait_for(&second, 2, F_WRLCK, 0, 9);
	nap();
	share_release(&client, second.node, second.fh, 0);
	assert_int_equal(receive(ticket, SOON_MS), -EBADF);
	assert_int_equal(set(&first, 1, F_UNLCK, 0, 9), 0);
	assert_int_equal(set(&first, 3, F_WRLCK, 0, 9), 0);
}

/* The client goes while its requests wait. */
static void the_end_releases_all(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);

	(void)state;
	assert_int_equal(set(&file, 1, F_WRLCK, 0, 9), 0);
	for (uint64_t owner = 2; owner < 40; owner++)
		wait_for(&file, owner, F_WRLCK, 0, 9);
}

static void unlocking_gives_descriptors_back(void **state)
{
	struct share_file file = share_open_name(&client, "f", O_RDWR);
	unsigned descriptors = share_descriptors();

	(void)state;
	for (uint64_t owner = 1; owner < 100; owner++) {
		assert_int_equal(set(&file, owner, F_RDLCK, 0, 9), 0);
		assert_int_equal(set(&file, owner, F_UNLCK, 0, INT64_MAX), 0);
	}
	assert_int_equal(share_descriptors(), descriptors);
}

/*
 * Several threads lock, wait, interrupt, flush, release and open at once. Whatever the order: each
 * request is answered, and in the end nothing is held.
 */
#define STRESS_THREADS 4
#define STRESS_ROUNDS 50

struct stress {
	pthread_t thread;
	struct share_client client; /* its own numbers, the same loopback */
	unsigned seed;
	unsigned unanswered;
};

static void stress_round(struct stress *me, struct share_file *file)
{
	uint64_t owner = 1 + (uint64_t)rand_r(&me->seed) % 6;
	uint64_t start = (uint64_t)rand_r(&me->seed) % 4;
	struct share_lock lock = range(owner, F_WRLCK, start, start + 1);
	int what = rand_r(&me->seed) % 8;
	uint64_t ticket;

	if (what == 0)
		lock.type = F_RDLCK;
	if (what == 1) {
		lock.flags = FB_LK_FLOCK;
		lock.type = rand_r(&me->seed) % 2 ? F_WRLCK : F_UNLCK;
	}
	ticket = share_lock_submit(&me->client, file, &lock);
	if (what < 4)
		share_interrupt(&me->client, me->client.unique);
	if (what == 2)
		share_flush(&me->client, file->node, file->fh, owner);
	if (what == 3)
		share_release(&me->client, file->node, file->fh, 0);
	/* Without an interrupt, wait until others give up what they hold, or not at all. */
	if (share_receive(&me->client, ticket, NULL, 0, what >= 4 ? 5 : SOON_MS) == -ETIMEDOUT) {
		me->unanswered += what < 4;
		for (uint64_t other = 1; other <= 6; other++)
			share_flush(&me->client, file->node, file->fh, other);
		share_interrupt(&me->client, me->client.unique - 12);
		me->unanswered +=
			share_receive(&me->client, ticket, NULL, 0, SOON_MS) == -ETIMEDOUT;
	}
}

static void *stress_run(void *arg)
{
	struct stress *me = arg;

	for (unsigned round = 0; round < STRESS_ROUNDS; round++) {
		struct share_file file = share_open_name(&me->client, "f", O_RDWR);

		for (unsigned i = 0; i < 3; i++)
			stress_round(me, &file);
		for (uint64_t owner = 1; owner <= 6; owner++)
			share_flush(&me->client, file.node, file.fh, owner);
		share_release(&me->client, file.node, file.fh, FB_RELEASE_FLOCK_UNLOCK);
	}
	return NULL;
}

static void all_at_once(void **state)
{
	static struct stress threads[STRESS_THREADS];
	unsigned descriptors = share_descriptors();
	struct flock all = { .l_type = F_WRLCK };
	int fd;

	(void)state;
	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		threads[i] = (struct stress){ .client = client, .seed = i + 1 };
		threads[i].client.unique = UINT64_C(1000000000) * (i + 1);
		pthread_create(&threads[i].thread, NULL, stress_run, &threads[i]);
	}
	for (unsigned i = 0; i < STRESS_THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].unanswered, 0);
	}
	fd = open(share_path(&client, "f"), O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &all), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	/* The node of "f" has one now. */
	assert_true(share_descriptors() <= descriptors + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(owners_exclude_each_other),
		TEST(nonsense_is_refused),
		TEST(getlk_names_the_holder),
		TEST(the_host_takes_part),
		TEST(waits_until_the_holder_is_done),
		TEST(flush_drops_its_owner),
		TEST(release_drops_who_locked_through_it),
		TEST(a_signal_ends_the_wait),
		TEST(deadlocks_are_found),
		TEST(long_chains_are_followed),
		TEST(full_owners_can_unlock),
		TEST(all_owners_share_a_limit),
		TEST(flock_belongs_to_the_open_file),
		TEST(release_ends_the_wait),
		TEST(the_end_releases_all),
		TEST(unlocking_gives_descriptors_back),
		TEST(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
