/* SPDX-License-Identifier: BSD-3-Clause */
/* The path layer and several threads: nobody works on the wrong file while names move. */
#include "cmocka_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path_rig.h"

#define ROOT FB_ROOT_NODE
#define ROUNDS 1500

static int set_up(void **state)
{
	*state = path_rig_start();
	return 0;
}

static int tear_down(void **state)
{
	path_rig_end(*state);
	return 0;
}

/* A thread with a client of its own. */
struct actor {
	struct path_rig *rig;
	struct client *client;
	pthread_t thread;
	uint64_t parent, node, ino;
	const char *names[2];
	atomic_bool *ends;
	unsigned done, wrong;
};

static void begin(struct actor *actor, struct path_rig *rig, void *(*run)(void *), unsigned number)
{
	actor->rig = rig;
	actor->client = calloc(1, sizeof(*actor->client));
	assert_non_null(actor->client);
	client_init(actor->client, rig->loop);
	actor->client->unique = 1000000u * (number + 1);
	assert_int_equal(pthread_create(&actor->thread, NULL, run, actor), 0);
}

static void end(struct actor *actor)
{
	pthread_join(actor->thread, NULL);
	client_let_go(actor->client);
	free(actor->client);
}

static int rename_once(struct actor *actor, const char *from, const char *to, uint32_t flags)
{
	struct fb_wire_rename2_in in = { .newdir = actor->parent, .flags = flags };
	char names[64];
	int length = snprintf(names, sizeof(names), "%s%c%s", from, '\0', to) + 1;

	return client_call(actor->client, FB_OP_RENAME2, actor->parent, &in, sizeof(in), names,
			   (size_t)length);
}

/* To and fro. */
static void *rename_all_the_time(void *arg)
{
	struct actor *actor = arg;

	for (int i = 0; i < ROUNDS; i++)
		actor->wrong +=
			rename_once(actor, actor->names[i % 2], actor->names[1 - i % 2], 0) != 0;
	return NULL;
}

static void *exchange_all_the_time(void *arg)
{
	struct actor *actor = arg;

	for (int i = 0; i < ROUNDS; i++)
		actor->wrong += rename_once(actor, actor->names[0], actor->names[1],
					    FB_RENAME_EXCHANGE) != 0;
	return NULL;
}

/* The node is always there, and always the same file. */
static void *look_all_the_time(void *arg)
{
	struct actor *actor = arg;

	while (!*actor->ends) {
		const struct fb_wire_attr_out *out = client_body(actor->client);

		if (client_getattr(actor->client, actor->node) != 0 || out->attr.ino != actor->ino)
			actor->wrong++;
		actor->done++;
	}
	return NULL;
}

static uint64_t make(struct path_rig *rig, uint64_t parent, const char *name, const char *path,
		     uint32_t mode, uint64_t *ret_ino)
{
	uint64_t node, ino = path_tree_make(&rig->tree, path, mode);

	assert_int_equal(path_lookup(rig, parent, name, &node), 0);
	if (ret_ino)
		*ret_ino = ino;
	return node;
}

static void test_getattr_while_directories_move(void **state)
{
	struct path_rig *rig = *state;
	struct actor movers[3] = { 0 }, lookers[2] = { 0 };
	uint64_t a, d, e;
	atomic_bool ends = false;

	/* "/a" and "/b" change names as a whole, "/a/d" and "/a/e" inside of it. */
	a = make(rig, ROOT, "a", "/a", S_IFDIR | 0755, NULL);
	d = make(rig, a, "d", "/a/d", S_IFDIR | 0755, NULL);
	e = make(rig, a, "e", "/a/e", S_IFDIR | 0755, NULL);
	lookers[0].node = make(rig, d, "x", "/a/d/x", S_IFREG | 0644, &lookers[0].ino);
	lookers[1].node = make(rig, e, "x", "/a/e/x", S_IFREG | 0644, &lookers[1].ino);
	make(rig, d, "1", "/a/d/1", S_IFREG | 0644, NULL);
	rig->tree.slow_us = 20;
	movers[0] = (struct actor){ .parent = ROOT, .names = { "a", "b" } };
	movers[1] = (struct actor){ .parent = a, .names = { "d", "e" } };
	movers[2] = (struct actor){ .parent = d, .names = { "1", "2" } };
	for (unsigned i = 0; i < 2; i++) {
		lookers[i].ends = &ends;
		begin(&lookers[i], rig, look_all_the_time, i);
	}
	begin(&movers[0], rig, rename_all_the_time, 2);
	begin(&movers[1], rig, exchange_all_the_time, 3);
	begin(&movers[2], rig, rename_all_the_time, 4);
	for (unsigned i = 0; i < 3; i++) {
		end(&movers[i]);
		assert_int_equal(movers[i].wrong, 0);
	}
	ends = true;
	for (unsigned i = 0; i < 2; i++) {
		end(&lookers[i]);
		assert_int_equal(lookers[i].wrong, 0);
		assert_true(lookers[i].done > 0);
	}
	path_expect(rig, lookers[0].node, "/a/d/x");
}

static void *look_once(void *arg)
{
	struct actor *actor = arg;

	actor->wrong += client_getattr(actor->client, actor->node) != 0;
	return NULL;
}

static void *rename_and_note(void *arg)
{
	struct actor *actor = arg;

	actor->wrong += rename_once(actor, "a", "b", 0) != 0;
	return NULL;
}

static unsigned calls(struct path_rig *rig, enum tree_op op)
{
	unsigned count;

	pthread_mutex_lock(&rig->tree.lock);
	count = rig->tree.calls[op];
	pthread_mutex_unlock(&rig->tree.lock);
	return count;
}

/* A rename waits for who uses the path; newcomers wait for it, but not those with an open file. */
static void test_rename_waits_for_its_turn(void **state)
{
	struct path_rig *rig = *state;
	struct actor mover = { .parent = ROOT }, lookers[2] = { 0 };
	uint64_t a, f, other, fh;

	a = make(rig, ROOT, "a", "/a", S_IFDIR | 0755, NULL);
	f = make(rig, a, "f", "/a/f", S_IFREG | 0644, NULL);
	other = make(rig, ROOT, "other", "/other", S_IFREG | 0644, NULL);
	assert_int_equal(path_open(rig, f, &fh), 0);
	lookers[0].node = f;
	lookers[1].node = a;
	path_tree_gate(&rig->tree, true);
	begin(&lookers[0], rig, look_once, 0);
	path_tree_await(&rig->tree, 1);
	begin(&mover, rig, rename_and_note, 1);
	usleep(30000);
	begin(&lookers[1], rig, look_once, 2);
	usleep(30000);
	assert_int_equal(calls(rig, TREE_rename), 0);
	assert_int_equal(rig->tree.at_gate, 1);
	assert_int_equal(client_write(&rig->client, f, fh, 0, "x", 1, 0), 0);
	path_expect_called(rig, TREE_write, "/a/f");
	assert_int_equal(path_unlink(rig, ROOT, "other"), 0);
	path_expect(rig, other, NULL);
	path_tree_gate(&rig->tree, false);
	end(&lookers[0]);
	end(&mover);
	end(&lookers[1]);
	assert_int_equal(lookers[0].wrong + lookers[1].wrong + mover.wrong, 0);
	path_expect(rig, f, "/b/f");
	path_expect_called(rig, TREE_getattr, "/b");
}

/* A node that the client has, or nearly one. */
static uint64_t some_node(const struct client *c, unsigned *seed)
{
	uint64_t node = FB_ROOT_NODE;

	if (c->given_count > 0)
		node = c->given[(unsigned)rand_r(seed) % c->given_count].node;
	return rand_r(seed) % 16 ? node : node + (unsigned)rand_r(seed) % 3 - 1;
}

static void do_names(struct actor *actor, unsigned *seed)
{
	static const char *const names[] = { "a", "b", "c" };
	const char *name = names[(unsigned)rand_r(seed) % 3];
	uint64_t node = some_node(actor->client, seed);
	struct fb_wire_mkdir_in mkdir = { .mode = 0755 };
	struct client *c = actor->client;

	actor->parent = some_node(actor->client, seed);
	switch (rand_r(seed) % 6) {
	case 0:
		client_name(c, FB_OP_LOOKUP, node, name);
		break;
	case 1:
		CLIENT_CALL_NAME(c, FB_OP_MKDIR, node, mkdir, name);
		break;
	case 2:
		client_create(c, node, name, O_RDWR);
		break;
	case 3:
		client_name(c, rand_r(seed) % 2 ? FB_OP_UNLINK : FB_OP_RMDIR, node, name);
		break;
	case 4:
		rename_once(actor, name, names[(unsigned)rand_r(seed) % 3],
			    rand_r(seed) % 2 ? FB_RENAME_EXCHANGE : 0);
		break;
	default:
		client_getattr(c, node);
	}
}

/* With numbers of open files that are another's, or have been released. */
static void do_files(struct actor *actor, unsigned *seed)
{
	struct client *c = actor->client;
	uint64_t node = some_node(c, seed), fh = (unsigned)rand_r(seed) % 12;
	struct fb_wire_release_in release = { .fh = fh };
	bool dir = rand_r(seed) % 2;

	switch (rand_r(seed) % 5) {
	case 0:
		client_open(c, dir ? FB_OP_OPENDIR : FB_OP_OPEN, node, 0);
		break;
	case 1:
		client_read(c, dir ? FB_OP_READDIRPLUS : FB_OP_READ, node, fh, 0, 1000);
		break;
	case 2:
		client_write(c, node, fh, 0, "text", 4, 0);
		break;
	case 3:
		CLIENT_CALL(c, dir ? FB_OP_RELEASEDIR : FB_OP_RELEASE, node, release);
		break;
	default:
		client_forget(c, node, 1);
	}
}

/* Whatever each of them gets for an answer: nobody waits for ever, nothing is left over. */
static void *do_anything(void *arg)
{
	struct actor *actor = arg;
	unsigned seed = (unsigned)actor->client->unique;

	for (int i = 0; i < ROUNDS; i++) {
		if (rand_r(&seed) % 2)
			do_names(actor, &seed);
		else
			do_files(actor, &seed);
		if (actor->client->given_count > 20)
			client_let_go(actor->client);
	}
	return NULL;
}

static void test_everything_at_once(void **state)
{
	struct path_rig *rig = *state;
	struct actor actors[4] = { 0 };

	for (unsigned i = 0; i < 4; i++)
		begin(&actors[i], rig, do_anything, i);
	for (unsigned i = 0; i < 4; i++)
		end(&actors[i]);
	/* They took from each other: what is left goes with the client. */
	rig->keeps = true;
}

static void test_everything_at_once_pending(void **state)
{
	struct path_rig *rig = *state;

	path_rig_pend(rig);
	test_everything_at_once(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_getattr_while_directories_move),
		TEST(test_rename_waits_for_its_turn),
		TEST(test_everything_at_once),
		TEST(test_everything_at_once_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
