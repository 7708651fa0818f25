/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No byte of an answer comes from what lay in memory before: every row is sent twice, over memory
 * that was filled with two different bytes, and the answers have to be the same.
 */
#include "cmocka_setup.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "message.h"
#include "rig.h"

static const struct fb_dirent listing[] = {
	{ .ino = 1, .cookie = 1, .name = ".", .name_len = 1 },
	{ .ino = 3, .cookie = 2, .name = "name", .name_len = 4 },
	{ .ino = 4, .cookie = 3, .name = "longer-name", .name_len = 11 },
};

/* Send a row's message and keep the answer; the unique is the row's own. */
static ssize_t answer_of(struct rig *rig, const struct fb_op_row *row, int poison, void *answer)
{
	struct message m;

	message_build(&m, row, &message_rules_newest);
	mallopt(M_PERTURB, poison);
	rig_poison(rig, poison);
	memset(answer, poison, CLIENT_ANSWER_MAX);
	return fb_loopback_send(rig->loop, m.bytes, m.size, answer, CLIENT_ANSWER_MAX);
}

static void compare_all(struct rig *rig)
{
	uint8_t *first = malloc(CLIENT_ANSWER_MAX), *second = malloc(CLIENT_ANSWER_MAX);

	assert_true(first && second);
	for (const struct fb_op_row *row = fb_op_row_at(0); row; row = fb_op_row_next(row)) {
		ssize_t n, again;

		if (row->opcode == FB_OP_DESTROY)
			continue;
		rig->mock.entry.attr.mode = row->opcode == FB_OP_MKDIR   ? S_IFDIR :
					    row->opcode == FB_OP_SYMLINK ? S_IFLNK :
									   S_IFREG;
		n = answer_of(rig, row, 0xa5, first);
		again = answer_of(rig, row, 0x5a, second);
		print_message("%s\n", row->name);
		assert_int_equal(n, again);
		if (n > 0)
			assert_memory_equal(first, second, (size_t)n);
	}
	mallopt(M_PERTURB, 0);
	free(first);
	free(second);
}

static void test_answers_of_all_rows(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->strays_expected = true;
	rig->mock.listing = listing;
	rig->mock.listing_count = 3;
	assert_int_equal(rig_connect(rig), 0);
	compare_all(rig);
	/* Errors too. */
	for (unsigned op = 0; op < MOCK_OPS; op++)
		mock_force(&rig->mock, op, -13);
	compare_all(rig);
	rig_end(rig);
}

static void test_answers_without_operations(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (enum mock_op op = 0; op < MOCK_OPS; op++)
		mock_leave_out(&rig->mock, op);
	rig->strays_expected = true;
	assert_int_equal(rig_connect(rig), 0);
	compare_all(rig);
	rig_end(rig);
}

/* A driver that fills in nothing gives zeros away, not what the last request left. */
static int fill_nothing_lseek(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			      uint64_t off, uint32_t whence, uint64_t *ret_off)
{
	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	(void)off;
	(void)whence;
	(void)ret_off;
	return 0;
}

static void test_outputs_begin_as_zeros(void **state)
{
	struct rig *rig = rig_new();
	struct fb_wire_lseek_in in = { .whence = 3 };

	(void)state;
	rig->mock.ops.lseek = fill_nothing_lseek;
	assert_int_equal(rig_connect(rig), 0);
	rig_poison(rig, 0xa5);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_LSEEK, 5, in), 0);
	assert_true(*(const uint64_t *)client_body(&rig->client) == 0);
	rig_end(rig);
}

/* Padding between and behind the entries of a listing. */
static void test_padding_of_listings(void **state)
{
	struct rig *rig = rig_start();
	const uint8_t *body = client_body(&rig->client);

	(void)state;
	rig->mock.listing = listing;
	rig->mock.listing_count = 3;
	mallopt(M_PERTURB, 0xa5);
	assert_int_equal(client_read(&rig->client, FB_OP_READDIR, 1, 1, 0, 4096), 0);
	mallopt(M_PERTURB, 0);
	assert_int_equal(client_body_size(&rig->client), 32 + 32 + 40);
	for (size_t i = 25; i < 32; i++)
		assert_int_equal(body[i], 0);
	for (size_t i = 32 + 28; i < 64; i++)
		assert_int_equal(body[i], 0);
	for (size_t i = 64 + 35; i < 104; i++)
		assert_int_equal(body[i], 0);
	rig_end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_of_all_rows),
		cmocka_unit_test(test_answers_without_operations),
		cmocka_unit_test(test_outputs_begin_as_zeros),
		cmocka_unit_test(test_padding_of_listings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
