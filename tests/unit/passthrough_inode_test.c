/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The passthrough driver's table of nodes: counting, identity, races, memory.
 */
#include "cmocka_setup.h"

#include "drivers/passthrough/identity.h"
#include "drivers/passthrough/inode_clock.h"
#include "drivers/passthrough/inode_table.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>

static int setup(void **state)
{
	struct fb_inode_table *table = malloc(sizeof(*table));

	assert_non_null(table);
	assert_int_equal(fb_inode_table_init(table), 0);
	*state = table;
	return 0;
}

static int teardown(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_inode *next;

	for (struct fb_inode *inode = fb_inode_table_detach(table); inode; inode = next) {
		next = inode->next_by_id;
		free(inode);
	}
	fb_inode_table_fini(table);
	free(table);
	return 0;
}

/* Out of sight of clang's analyzer, which does not count references. */
static void (*volatile free_inode)(void *) = free;

static void put(struct fb_inode *inode)
{
	if (atomic_fetch_sub(&inode->refs, 1) == 1)
		free_inode(inode);
}

static struct fb_identity identity_of(uint64_t ino)
{
	return (struct fb_identity){ .ino = ino, .dev = 8, .mnt_id = 30 };
}

static struct fb_identity identity_with_handle(uint64_t ino, const char *handle)
{
	struct fb_identity identity = identity_of(ino);

	identity.handle_type = 1;
	identity.handle_size = (uint8_t)strlen(handle);
	memcpy(identity.handle, handle, identity.handle_size);
	return identity;
}

/* As a lookup does: find or make, count one. Returns the number. */
static uint64_t enter(struct fb_inode_table *table, struct fb_identity identity)
{
	struct fb_inode *inode = fb_inode_table_find(table, &identity, 1);
	struct fb_inode *fresh;
	uint64_t node;

	if (!inode) {
		fresh = fb_inode_table_new_inode(&identity, S_IFREG);
		assert_non_null(fresh);
		inode = fb_inode_table_insert(table, fresh);
		if (inode != fresh)
			put(fresh);
	}
	node = inode->node;
	put(inode);
	return node;
}

/* Returns whether the node went. */
static enum fb_inode_forgot forget(struct fb_inode_table *table, uint64_t node, uint64_t count,
				   bool *ret_excess)
{
	struct fb_inode *inode;
	bool excess = false;
	enum fb_inode_forgot forgot = fb_inode_table_forget(table, node, count, &excess, &inode);

	if (ret_excess)
		*ret_excess = excess;
	if (forgot == FB_INODE_FORGOT_LAST)
		put(inode);
	if (forgot != FB_INODE_FORGOT_UNKNOWN)
		put(inode);
	return forgot;
}

static bool known(struct fb_inode_table *table, uint64_t node)
{
	struct fb_inode *inode = fb_inode_table_get(table, node);

	if (inode)
		put(inode);
	return inode != NULL;
}

static void test_same_file_is_one_node(void **state)
{
	struct fb_inode_table *table = *state;
	uint64_t node = enter(table, identity_of(100));

	assert_int_equal(enter(table, identity_of(100)), node);
	assert_int_not_equal(enter(table, identity_of(101)), node);
	assert_int_equal(table->count, 2);
}

static void test_mount_device_and_handle_tell_files_apart(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_identity other_mount = identity_of(100), other_dev = identity_of(100);
	uint64_t nodes[5];

	other_mount.mnt_id = 31;
	other_dev.dev = 9;
	nodes[0] = enter(table, identity_of(100));
	nodes[1] = enter(table, other_mount);
	nodes[2] = enter(table, other_dev);
	nodes[3] = enter(table, identity_with_handle(100, "generation 1"));
	nodes[4] = enter(table, identity_with_handle(100, "generation 2"));
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(nodes[i], nodes[j]);
	assert_int_equal(enter(table, identity_with_handle(100, "generation 1")), nodes[3]);
}

static void test_forget_counts_down(void **state)
{
	struct fb_inode_table *table = *state;
	uint64_t node = enter(table, identity_of(5));

	enter(table, identity_of(5));
	enter(table, identity_of(5));
	assert_int_equal(forget(table, node, 2, NULL), FB_INODE_FORGOT_SOME);
	assert_true(known(table, node));
	assert_int_equal(forget(table, node, 1, NULL), FB_INODE_FORGOT_LAST);
	assert_false(known(table, node));
	assert_int_equal(table->count, 0);
}

static void test_forget_saturates(void **state)
{
	struct fb_inode_table *table = *state;
	uint64_t node = enter(table, identity_of(5));
	bool excess;

	assert_int_equal(forget(table, node, UINT64_MAX, &excess), FB_INODE_FORGOT_LAST);
	assert_true(excess);
	assert_int_equal(forget(table, node, 1, &excess), FB_INODE_FORGOT_UNKNOWN);
	assert_int_equal(forget(table, 0, 1, &excess), FB_INODE_FORGOT_UNKNOWN);
	assert_int_equal(forget(table, UINT64_MAX, 1, &excess), FB_INODE_FORGOT_UNKNOWN);
}

static void test_numbers_are_never_used_again(void **state)
{
	struct fb_inode_table *table = *state;
	uint64_t last = FB_ROOT_NODE;

	for (int i = 0; i < 1000; i++) {
		uint64_t node = enter(table, identity_of(5));

		assert_true(node > last);
		last = node;
		assert_int_equal(forget(table, node, 1, NULL), FB_INODE_FORGOT_LAST);
	}
}

static void test_pin_outlives_forget(void **state)
{
	struct fb_inode_table *table = *state;
	uint64_t node = enter(table, identity_of(5));
	struct fb_inode *inode = fb_inode_table_get(table, node);

	assert_int_equal(forget(table, node, 1, NULL), FB_INODE_FORGOT_LAST);
	assert_int_equal(inode->ino, 5);
	assert_int_equal(fb_inode_table_count(table, inode), -ESTALE);
	assert_int_not_equal(enter(table, identity_of(5)), node);
	put(inode);
}

static void test_root_stays(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_identity identity = identity_of(2);
	struct fb_inode *root = fb_inode_table_new_inode(&identity, S_IFDIR);

	fb_inode_table_insert_root(table, root);
	assert_int_equal(forget(table, FB_ROOT_NODE, UINT64_MAX, NULL), FB_INODE_FORGOT_SOME);
	assert_true(known(table, FB_ROOT_NODE));
	/* Clients refuse an entry that is the root. */
	assert_int_not_equal(enter(table, identity_of(2)), FB_ROOT_NODE);
	assert_int_equal(root->refs, 1);
}

static size_t buckets(const struct fb_inode_table *table)
{
	size_t sum = 0;

	for (unsigned i = 0; i < FB_INODE_SHARDS; i++)
		sum += table->by_id[i].map.size + table->by_key[i].map.size;
	return sum;
}

static void test_maps_shrink(void **state)
{
	struct fb_inode_table *table = *state;
	const uint64_t count = 100000;
	size_t empty = buckets(table), full;
	uint64_t first = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t node = enter(table, identity_of(1000 + i));

		first = first ? first : node;
	}
	full = buckets(table);
	assert_true(full >= 2 * count);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(forget(table, first + i, 1, NULL), FB_INODE_FORGOT_LAST);
	assert_int_equal(table->count, 0);
	assert_int_equal(buckets(table), empty);
}

/* Bytes in use for each of a million nodes with a file handle as ext4's. */
static void test_memory_per_node(void **state)
{
	struct fb_inode_table *table = *state;
	const uint64_t count = 1000000;
	struct mallinfo2 before = mallinfo2(), after;
	size_t used;

	for (uint64_t i = 0; i < count; i++)
		enter(table, identity_with_handle(i, "8 bytes."));
	after = mallinfo2();
	used = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
	if (used == 0)
		SKIP_BECAUSE("this malloc does not tell what is in use");
	print_message("%zu bytes a node\n", used / count);
	assert_true(used / count <= 200);
}

/* Lookups and forgets of few files from several threads: the counts must come out even. */
#define STRESS_THREADS 4
#define STRESS_ROUNDS 50000
#define STRESS_FILES 3

static void *stress(void *arg)
{
	struct fb_inode_table *table = arg;

	for (int i = 0; i < STRESS_ROUNDS; i++) {
		uint64_t ino = 10 + (uint64_t)i % STRESS_FILES;
		uint64_t node = enter(table, identity_of(ino));
		struct fb_inode *inode = fb_inode_table_get(table, node);

		/* We hold a lookup, so it must be there whatever the others forget. */
		if (!inode || inode->ino != ino)
			return "a node that is looked up was lost";
		if (i % 7 == 0 && fb_inode_table_count(table, inode) == 0)
			forget(table, node, 2, NULL);
		else
			forget(table, node, 1, NULL);
		put(inode);
	}
	return NULL;
}

static void test_forget_beside_lookup(void **state)
{
	struct fb_inode_table *table = *state;
	pthread_t threads[STRESS_THREADS];

	for (int i = 0; i < STRESS_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stress, table), 0);
	for (int i = 0; i < STRESS_THREADS; i++) {
		void *complaint;

		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
	}
	assert_int_equal(table->count, 0);
}

/* Each thread has files of its own and the maps grow and shrink under all of them. */
static void *grow(void *arg)
{
	static _Atomic uint64_t next_thread = 1;
	uint64_t base = atomic_fetch_add(&next_thread, 1) << 32;
	struct fb_inode_table *table = arg;
	static _Thread_local uint64_t nodes[5000];

	for (int round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < 5000; i++)
			nodes[i] = enter(table, identity_of(base + i));
		for (uint64_t i = 0; i < 5000; i++)
			if (forget(table, nodes[i], 1, NULL) != FB_INODE_FORGOT_LAST)
				return "a node was lost";
	}
	return NULL;
}

static void test_growing_beside_shrinking(void **state)
{
	struct fb_inode_table *table = *state;
	pthread_t threads[STRESS_THREADS];

	for (int i = 0; i < STRESS_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, grow, table), 0);
	for (int i = 0; i < STRESS_THREADS; i++) {
		void *complaint;

		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
	}
	assert_int_equal(table->count, 0);
}

/* ---- the clock ---------------------------------------------------------------------------------- */

static struct fb_inode *enter_closable(struct fb_inode_table *table, uint64_t ino)
{
	uint64_t node = enter(table, identity_with_handle(ino, "handle"));
	struct fb_inode *inode = fb_inode_table_get(table, node);

	assert_true(fb_inode_clock_set_fd(table, inode, 1000, true));
	assert_false(fb_inode_clock_set_fd(table, inode, 1001, true));
	return inode;
}

static struct fb_inode *pick(struct fb_inode_table *table)
{
	struct fb_inode *inode = NULL;

	for (uint32_t shard = 0; shard < FB_INODE_SHARDS && !inode; shard++)
		inode = fb_inode_clock_pick(table, shard);
	return inode;
}

static void test_clock_passes_over_what_is_used(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_inode *inode = enter_closable(table, 5);

	assert_int_equal(table->closable, 1);
	assert_null(pick(table)); /* pinned */
	put(inode);
	fb_inode_table_get(table, inode->node);
	put(inode);
	inode->used = true;
	/* One go of the hand goes round a short list more than once: used means later, not never. */
	assert_ptr_equal(pick(table), inode);
	assert_int_equal(fb_inode_clock_take_fd(table, inode), 1000);
	assert_int_equal(inode->fd, -1);
	assert_int_equal(table->closable, 0);
	put(inode);
	assert_null(pick(table));
}

static void test_clock_leaves_what_became_used(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_inode *inode = enter_closable(table, 5);

	put(inode);
	assert_ptr_equal(pick(table), inode);
	fb_inode_table_get(table, inode->node);
	assert_int_equal(fb_inode_clock_take_fd(table, inode), -1);
	assert_int_equal(inode->fd, 1000);
	put(inode);
	fb_inode_clock_keep_fd(table, inode);
	put(inode);
	assert_null(pick(table));
	assert_int_equal(table->closable, 0);
}

static void test_forgotten_leaves_the_clock(void **state)
{
	struct fb_inode_table *table = *state;
	struct fb_inode *inode = enter_closable(table, 5);
	uint64_t node = inode->node;

	put(inode);
	assert_int_equal(forget(table, node, 1, NULL), FB_INODE_FORGOT_LAST);
	assert_int_equal(table->closable, 0);
	assert_null(pick(table));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_same_file_is_one_node),
		TEST(test_mount_device_and_handle_tell_files_apart),
		TEST(test_forget_counts_down),
		TEST(test_forget_saturates),
		TEST(test_numbers_are_never_used_again),
		TEST(test_pin_outlives_forget),
		TEST(test_root_stays),
		TEST(test_maps_shrink),
		TEST(test_memory_per_node),
		TEST(test_forget_beside_lookup),
		TEST(test_growing_beside_shrinking),
		TEST(test_clock_passes_over_what_is_used),
		TEST(test_clock_leaves_what_became_used),
		TEST(test_forgotten_leaves_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
