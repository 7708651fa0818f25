/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: before, during and after the request that they are for. */
#include "cmocka_setup.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/interrupt.h"
#include "core/session.h"
#include "rig.h"

static int set_up(void **state)
{
	*state = rig_start();
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

/* What the driver noticed of an interrupt. */
struct witness {
	struct fb_req *req;
	atomic_int woken;
	bool before;  /* interrupted when the operation began */
	bool at_once; /* woken within fb_req_on_interrupt() */
};

static void wake(struct fb_req *req, void *arg)
{
	struct witness *w = arg;

	if (w->req)
		assert_ptr_equal(w->req, req);
	w->woken++;
}

static int watch_and_hold(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct witness *w = m->arg;

	(void)op;
	(void)r;
	w->req = req;
	w->before = fb_req_interrupted(req);
	fb_req_on_interrupt(req, wake, w);
	w->at_once = w->woken > 0;
	return FB_PENDING;
}

static uint64_t submit_lock(struct rig *rig, struct witness *w, uint64_t *ret_unique)
{
	struct fb_wire_lk_in in = { .fh = 1, .lk = { .end = 10, .type = 1 } };

	rig->mock.arg = w;
	rig->mock.acts[MOCK_setlk] = watch_and_hold;
	*ret_unique = rig->client.unique;
	client_build(&rig->client, FB_OP_SETLKW, 5, &in, sizeof(in), NULL, 0);
	return client_submit(&rig->client);
}

static void test_during(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket = submit_lock(rig, &w, &unique);

	assert_false(w.before);
	assert_int_equal(w.woken, 0);
	client_interrupt(&rig->client, unique + 2); /* somebody else */
	assert_int_equal(w.woken, 0);
	assert_false(fb_req_interrupted(w.req));
	client_interrupt(&rig->client, unique);
	assert_int_equal(w.woken, 1);
	assert_true(fb_req_interrupted(w.req));
	client_interrupt(&rig->client, unique);
	assert_int_equal(w.woken, 1); /* once only */
	assert_int_equal(mock_complete(&rig->mock, -EINTR), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -EINTR);
	assert_int_equal(rig_session_stats(rig).interrupts, 3);
}

static void test_before(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket;

	client_interrupt(&rig->client, rig->client.unique);
	ticket = submit_lock(rig, &w, &unique);
	assert_true(w.before);
	assert_true(w.at_once);
	assert_int_equal(w.woken, 1);
	assert_int_equal(rig->session->interrupts.early_count, 0);
	assert_int_equal(mock_complete(&rig->mock, -EINTR), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -EINTR);
}

/* An interrupt that comes too late hits nobody, also not the next user of the same memory. */
static void test_after(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket = submit_lock(rig, &w, &unique);

	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
	client_interrupt(&rig->client, unique);
	assert_int_equal(w.woken, 0);
	w = (struct witness){ 0 };
	ticket = submit_lock(rig, &w, &unique);
	assert_false(w.before);
	assert_int_equal(w.woken, 0);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

static void test_interrupt_has_no_answer(void **state)
{
	struct rig *rig = *state;

	client_interrupt(&rig->client, 5); /* asserts that the length is 0 */
	assert_int_equal(rig->client.length, 0);
}

static void test_wish_taken_back(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket = submit_lock(rig, &w, &unique);

	fb_req_on_interrupt(w.req, NULL, NULL);
	client_interrupt(&rig->client, unique);
	assert_int_equal(w.woken, 0);
	assert_true(fb_req_interrupted(w.req));
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

struct slow {
	atomic_int inside, entered;
};

static void slow_wake(struct fb_req *req, void *arg)
{
	struct slow *slow = arg;

	(void)req;
	slow->entered++;
	slow->inside++;
	usleep(50000);
	slow->inside--;
}

static int watch_slowly(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	(void)op;
	(void)r;
	fb_req_on_interrupt(req, slow_wake, m->arg);
	return FB_PENDING;
}

struct interrupter {
	struct client *client;
	uint64_t unique;
};

static void *interrupt_once(void *arg)
{
	struct interrupter *i = arg;

	client_interrupt(i->client, i->unique);
	return NULL;
}

static uint64_t submit_slow(struct rig *rig, struct slow *slow, struct interrupter *i,
			    pthread_t *thread)
{
	struct fb_wire_lk_in in = { .lk = { .end = 10, .type = 1 } };
	uint64_t ticket;

	rig->mock.arg = slow;
	rig->mock.acts[MOCK_setlk] = watch_slowly;
	i->unique = rig->client.unique;
	client_build(&rig->client, FB_OP_SETLKW, 5, &in, sizeof(in), NULL, 0);
	ticket = client_submit(&rig->client);
	i->client = calloc(1, sizeof(*i->client));
	assert_non_null(i->client);
	client_init(i->client, rig->loop);
	assert_int_equal(pthread_create(thread, NULL, interrupt_once, i), 0);
	while (slow->entered == 0)
		sched_yield();
	return ticket;
}

/* Once the wish is taken back, or the request completed, wake is not running any more. */
static void test_wake_is_not_running_afterwards(void **state)
{
	struct rig *rig = *state;
	struct slow slow = { 0 };
	struct interrupter i;
	pthread_t thread;
	uint64_t ticket = submit_slow(rig, &slow, &i, &thread);

	fb_req_on_interrupt(rig->mock.held[0].req, NULL, NULL);
	assert_int_equal(slow.inside, 0);
	pthread_join(thread, NULL);
	free(i.client);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);

	slow = (struct slow){ 0 };
	ticket = submit_slow(rig, &slow, &i, &thread);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(slow.inside, 0);
	pthread_join(thread, NULL);
	free(i.client);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

/* Many that never find their target push the oldest out, and nobody else. */
static void test_table_of_early_ones(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket;

	for (uint64_t i = 0; i < FB_INTERRUPTS_EARLY_MAX + 10; i++)
		client_interrupt(&rig->client, 1000000 + 2 * i);
	assert_int_equal(rig->session->interrupts.early_count, FB_INTERRUPTS_EARLY_MAX);
	client_interrupt(&rig->client, rig->client.unique);
	ticket = submit_lock(rig, &w, &unique);
	assert_true(w.before);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

/* A place that is free again is taken before that of one who still waits. */
static void test_free_places_first(void **state)
{
	struct rig *rig = *state;
	uint64_t first = 1000000;
	struct fb_wire_getattr_in in = { 0 };
	struct witness w = { 0 };
	uint64_t unique, ticket;

	client_interrupt(&rig->client, first);
	for (unsigned i = 0; i < 2 * FB_INTERRUPTS_EARLY_MAX; i++) {
		client_interrupt(&rig->client, rig->client.unique);
		assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_GETATTR, 1, in), 0);
	}
	assert_int_equal(rig->session->interrupts.early_count, 1);
	rig->client.unique = first;
	ticket = submit_lock(rig, &w, &unique);
	assert_true(w.before);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(client_receive(&rig->client, ticket), 0);
}

static void test_old_ones_are_dropped(void **state)
{
	struct rig *rig = *state;

	client_interrupt(&rig->client, 1000000);
	assert_int_equal(rig->session->interrupts.early_count, 1);
	sleep(2);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(rig->session->interrupts.early_count, 0);
}

/* NOTIFY_REPLY and FORGET have uniques of other origins: an interrupt never finds them. */
static void test_forget_is_no_target(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_forget_in in = { .nlookup = 1 };

	rig->strays_expected = true;
	client_interrupt(&rig->client, rig->client.unique);
	assert_int_equal(CLIENT_CALL(&rig->client, FB_OP_FORGET, 9, in), 0);
	assert_int_equal(rig->session->interrupts.early_count, 1);
}

#define STRESS_ROUNDS 400
#define STRESS_THREADS 4

struct stress {
	struct rig *rig;
	struct client client;
	unsigned interrupted;
	_Atomic unsigned total;
};

/* Takes its time, now more and now less: some interrupts come before the answer, some after it. */
static int interruptible(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	static _Atomic unsigned calls;
	unsigned patience = calls++ % 8 == 0 ? 1000 : 0;
	struct witness w = { .req = req };

	(void)m;
	(void)op;
	fb_req_on_interrupt(req, wake, &w);
	for (unsigned i = 0; i < patience && !fb_req_interrupted(req); i++)
		sched_yield();
	r = fb_req_interrupted(req) ? -EINTR : r;
	/* w is on this stack: nobody may touch it from here on. */
	fb_req_on_interrupt(req, NULL, NULL);
	return r;
}

static void *stress_main(void *arg)
{
	struct stress *s = arg;

	for (unsigned i = 0; i < STRESS_ROUNDS; i++) {
		int r = client_getattr(&s->client, 1);

		if (r != 0 && r != -EINTR)
			abort();
		s->interrupted += r == -EINTR;
		s->total++;
	}
	return NULL;
}

/* At what each of the others asks right now, or has just been answered, until all are through. */
static void *shoot(void *arg)
{
	struct stress *s = arg;
	const struct stress *others = s - STRESS_THREADS;

	for (bool through = false; !through;) {
		through = true;
		for (unsigned t = 0; t < STRESS_THREADS; t++) {
			unsigned total = others[t].total;

			client_interrupt(&s->client, (uint64_t)(t + 1) * 1000000 + 2 * total);
			through = through && total == STRESS_ROUNDS;
		}
	}
	return NULL;
}

static void test_stress(void **state)
{
	struct rig *rig = *state;
	struct stress *s = calloc(STRESS_THREADS + 1, sizeof(*s));
	pthread_t threads[STRESS_THREADS + 1];
	unsigned interrupted = 0;

	assert_non_null(s);
	rig->mock.acts[MOCK_getattr] = interruptible;
	for (unsigned i = 0; i <= STRESS_THREADS; i++) {
		client_init(&s[i].client, rig->loop);
		s[i].client.unique = (uint64_t)(i + 1) * 1000000;
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < STRESS_THREADS ? stress_main : shoot, &s[i]),
				 0);
	}
	for (unsigned i = 0; i <= STRESS_THREADS; i++) {
		pthread_join(threads[i], NULL);
		interrupted += s[i].interrupted;
	}
	for (unsigned i = 0; i < STRESS_THREADS; i++)
		assert_int_equal(s[i].total, STRESS_ROUNDS);
	print_message("%u of %u interrupted\n", interrupted, STRESS_THREADS * STRESS_ROUNDS);
	assert_true(interrupted > 0);
	free(s);
}

/* At the end of the session everybody who waits is woken. */
static void test_all_at_the_end(void **state)
{
	struct rig *rig = *state;
	struct witness w = { 0 };
	uint64_t unique, ticket = submit_lock(rig, &w, &unique);

	fb_interrupts_all(rig->session);
	assert_int_equal(w.woken, 1);
	assert_int_equal(mock_complete(&rig->mock, -EINTR), 0);
	assert_int_equal(client_receive(&rig->client, ticket), -EINTR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_during),
		TEST(test_before),
		TEST(test_after),
		TEST(test_interrupt_has_no_answer),
		TEST(test_wish_taken_back),
		TEST(test_wake_is_not_running_afterwards),
		TEST(test_table_of_early_ones),
		TEST(test_free_places_first),
		TEST(test_old_ones_are_dropped),
		TEST(test_forget_is_no_target),
		TEST(test_stress),
		TEST(test_all_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
