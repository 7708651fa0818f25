/* SPDX-License-Identifier: BSD-3-Clause */
/* The loopback itself: answers that do not fit, get lost or come late, ends, and misuse. */
#include "cmocka_setup.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"

#define NODE 7
#define FILE_HANDLE 9
#define THREADS 8
#define ROUNDS 500

struct getattr {
	struct fb_wire_in_header header;
	struct fb_wire_getattr_in in;
};

struct attr_answer {
	struct fb_wire_out_header header;
	struct fb_wire_attr_out out;
};

static const struct getattr getattr = {
	.header = { .len = sizeof(getattr), .opcode = FB_OP_GETATTR, .unique = 4, .nodeid = 1 },
};

static int set_up(void **state)
{
	struct rig *rig = rig_start();

	rig->mock.entry.node = NODE;
	rig->mock.open.fh = FILE_HANDLE;
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	rig_end(*state);
	return 0;
}

static void test_exchange(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer;

	assert_int_equal(
		fb_loopback_send(rig->loop, &getattr, sizeof(getattr), &answer, sizeof(answer)),
		sizeof(answer));
	assert_int_equal(answer.header.len, sizeof(answer));
	assert_int_equal(answer.header.unique, 4);
	assert_int_equal(answer.header.error, 0);
}

static void test_answer_that_does_not_fit(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer, untouched;

	memset(&answer, 0x5a, sizeof(answer));
	untouched = answer;
	for (size_t size = 0; size < sizeof(answer); size += 13) {
		assert_int_equal(fb_loopback_send(rig->loop, &getattr, sizeof(getattr),
						  size ? &answer : NULL, size),
				 -ENOBUFS);
		assert_memory_equal(&answer, &untouched, sizeof(answer));
	}
	test_exchange(state);
}

static void test_malformed(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer;

	/* Too short to hold the number that an answer would need: there is none. */
	assert_int_equal(fb_loopback_send(rig->loop, NULL, 0, &answer, sizeof(answer)), 0);
	for (size_t size = 1; size < sizeof(struct fb_wire_in_header); size++)
		assert_int_equal(
			fb_loopback_send(rig->loop, &getattr, size, &answer, sizeof(answer)), 0);
	for (size_t size = sizeof(struct fb_wire_in_header); size < sizeof(getattr); size++) {
		assert_int_equal(
			fb_loopback_send(rig->loop, &getattr, size, &answer, sizeof(answer)),
			sizeof(answer.header));
		assert_true(answer.header.error < 0);
		assert_int_equal(answer.header.unique, 4);
	}
	test_exchange(state);
}

static void test_no_answer(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_forget_in in = { .nlookup = 1 };
	struct attr_answer answer;
	uint64_t ticket;

	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
	client_build(&rig->client, FB_OP_FORGET, NODE, &in, sizeof(in), NULL, 0);
	rig->strays_expected = true;
	assert_int_equal(fb_loopback_submit(rig->loop, rig->client.message,
					    rig->client.message_size, &ticket),
			 0);
	assert_int_equal(fb_loopback_receive(rig->loop, ticket, &answer, sizeof(answer), 0), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
}

/* The caller has gone: what the answer would have handed out comes back to the driver. */
static void test_lost_lookup(void **state)
{
	struct rig *rig = *state;

	fb_loopback_drop_answers(rig->loop, 1, ENOENT);
	client_build(&rig->client, FB_OP_LOOKUP, 1, NULL, 0, "a", 2);
	assert_int_equal(fb_loopback_send(rig->loop, rig->client.message, rig->client.message_size,
					  rig->client.answer, sizeof(rig->client.answer)),
			 -ENOENT);
	assert_int_equal(mock_calls(&rig->mock, MOCK_forget), 1);
	assert_int_equal(mock_nodes_out(&rig->mock), 0);
	/* Only one was to be lost. */
	assert_int_equal(client_name(&rig->client, FB_OP_LOOKUP, 1, "a"), 0);
}

static void test_lost_open(void **state)
{
	struct rig *rig = *state;
	struct fb_wire_open_in in = { .flags = 0 };

	fb_loopback_drop_answers(rig->loop, 2, ECONNABORTED);
	for (int i = 0; i < 2; i++) {
		client_build(&rig->client, i ? FB_OP_OPENDIR : FB_OP_OPEN, NODE, &in, sizeof(in),
			     NULL, 0);
		assert_int_equal(fb_loopback_send(rig->loop, rig->client.message,
						  rig->client.message_size, rig->client.answer,
						  sizeof(rig->client.answer)),
				 -ECONNABORTED);
	}
	assert_int_equal(mock_calls(&rig->mock, MOCK_release), 1);
	assert_int_equal(mock_calls(&rig->mock, MOCK_releasedir), 1);
	assert_int_equal(mock_files_out(&rig->mock), 0);
}

static void test_late_answers(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer;
	uint64_t tickets[2];

	mock_force(&rig->mock, MOCK_getattr, FB_PENDING);
	for (int i = 0; i < 2; i++) {
		struct getattr message = getattr;

		message.header.unique = 100 + 2 * (uint64_t)i;
		assert_int_equal(
			fb_loopback_submit(rig->loop, &message, sizeof(message), &tickets[i]), 0);
	}
	assert_true(mock_wait_held(&rig->mock, 2));
	assert_int_equal(fb_loopback_receive(rig->loop, tickets[0], &answer, sizeof(answer), 0),
			 -ETIMEDOUT);
	assert_int_equal(fb_loopback_receive(rig->loop, tickets[1], &answer, sizeof(answer), 10),
			 -ETIMEDOUT);
	assert_int_equal(mock_complete(&rig->mock, 0), 0);
	assert_int_equal(mock_complete(&rig->mock, -EACCES), 0);
	/* In any order, and each once. */
	assert_int_equal(fb_loopback_receive(rig->loop, tickets[1], &answer, sizeof(answer), -1),
			 sizeof(answer.header));
	assert_int_equal(answer.header.error, -EACCES);
	assert_int_equal(answer.header.unique, 102);
	assert_int_equal(fb_loopback_receive(rig->loop, tickets[0], &answer, sizeof(answer), 0),
			 sizeof(answer));
	assert_int_equal(answer.header.unique, 100);
	assert_int_equal(fb_loopback_receive(rig->loop, tickets[0], &answer, sizeof(answer), 0),
			 -EINVAL);
	assert_int_equal(fb_loopback_receive(rig->loop, 12345, &answer, sizeof(answer), 0),
			 -EINVAL);
}

static void *complete_soon(void *arg)
{
	struct rig *rig = arg;

	if (mock_wait_held(&rig->mock, 1)) {
		usleep(20000);
		mock_complete(&rig->mock, 0);
	}
	return NULL;
}

static void test_send_waits_for_a_late_answer(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;

	mock_force(&rig->mock, MOCK_getattr, FB_PENDING);
	assert_int_equal(pthread_create(&thread, NULL, complete_soon, rig), 0);
	test_exchange(state);
	pthread_join(thread, NULL);
}

static void test_notifications(void **state)
{
	struct rig *rig = *state;
	uint8_t message[256];
	struct fb_wire_out_header header;
	ssize_t n;

	assert_int_equal(fb_loopback_notification(rig->loop, message, sizeof(message), 0),
			 -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fb_notify_poll(rig->session, (uint64_t)i), 0);
	n = fb_loopback_notification(rig->loop, message, sizeof(message), 10000);
	assert_true(n > (ssize_t)sizeof(header));
	memcpy(&header, message, sizeof(header));
	assert_int_equal(header.len, n);
	assert_int_equal(header.unique, 0);
	assert_int_equal(fb_loopback_notification(rig->loop, message, sizeof(header), 10000),
			 -ENOBUFS);
	assert_int_equal(fb_loopback_notification(rig->loop, message, sizeof(message), 10000), n);
	assert_int_equal(fb_loopback_notification(rig->loop, message, sizeof(message), 0),
			 -ETIMEDOUT);
}

static void *send_many(void *arg)
{
	struct rig *rig = arg;
	struct attr_answer answer;
	size_t good = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct getattr message = getattr;
		ssize_t n;

		message.header.unique = ((uint64_t)i + 1) * 2;
		n = fb_loopback_send(rig->loop, &message, sizeof(message), &answer, sizeof(answer));
		good += n == sizeof(answer) && answer.header.unique == message.header.unique;
	}
	return (void *)good;
}

static void test_many_threads(void **state)
{
	struct rig *rig = *state;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, rig), 0);
	for (int i = 0; i < THREADS; i++) {
		void *good;

		pthread_join(threads[i], &good);
		assert_int_equal((size_t)good, ROUNDS);
	}
	assert_int_equal(rig_stats(rig, FB_OP_GETATTR).requests, THREADS * ROUNDS);
}

static void test_after_stop(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer;

	fb_session_stop(rig->session);
	assert_int_equal(
		fb_loopback_send(rig->loop, &getattr, sizeof(getattr), &answer, sizeof(answer)),
		-ENOTCONN);
}

static void test_after_destroy(void **state)
{
	struct rig *rig = *state;
	struct attr_answer answer;

	assert_int_equal(client_call(&rig->client, FB_OP_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 1);
	assert_int_equal(
		fb_loopback_send(rig->loop, &getattr, sizeof(getattr), &answer, sizeof(answer)),
		-ENOTCONN);
}

static void test_farewell(void **state)
{
	struct rig *rig = rig_start();
	struct fb_session *session = fb_session_ref(rig->session);

	(void)state;
	fb_loopback_free(rig->loop);
	rig->loop = NULL;
	assert_int_equal(mock_calls(&rig->mock, MOCK_destroy), 1);
	fb_session_unref(session);
	rig_end(rig);
}

static void test_old_client(void **state)
{
	struct rig *rig = rig_new();
	struct fb_conn conn = { .size = sizeof(conn) };

	(void)state;
	rig->loop_options.minor = 31;
	assert_int_equal(rig_connect(rig), 0);
	fb_session_conn(rig->session, &conn);
	assert_int_equal(conn.minor, 31);
	assert_int_equal(conn.wanted >> 32, 0);
	assert_int_equal(conn.wanted & FB_INIT_INIT_EXT, 0);
	rig_end(rig);
}

static void test_offer(void **state)
{
	struct rig *rig = rig_new();
	struct fb_conn conn = { .size = sizeof(conn) };

	(void)state;
	rig->loop_options.offered = FB_INIT_ASYNC_READ | FB_INIT_HAS_EXPIRE_ONLY;
	assert_int_equal(rig_connect(rig), 0);
	fb_session_conn(rig->session, &conn);
	assert_int_equal(conn.offered & ~FB_INIT_INIT_EXT,
			 FB_INIT_ASYNC_READ | FB_INIT_HAS_EXPIRE_ONLY);
	rig_end(rig);
}

static void test_refused(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	mock_force(&rig->mock, MOCK_init, -EXDEV);
	assert_int_equal(rig_connect(rig), -EXDEV);
	assert_null(rig->loop);
	rig_end(rig);
}

/* A refused loopback leaves nothing behind: the next one finds the session as it was. */
static void test_again_after_a_refusal(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	mock_force(&rig->mock, MOCK_init, -EXDEV);
	assert_int_equal(rig_connect(rig), -EXDEV);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), -ECONNREFUSED);
	assert_int_equal(fb_loopback_new(rig->session, &rig->loop_options, &rig->loop), -EXDEV);
	assert_null(rig->loop);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 2);

	mock_unforce(&rig->mock, MOCK_init);
	assert_int_equal(fb_loopback_new(rig->session, &rig->loop_options, &rig->loop), 0);
	client_init(&rig->client, rig->loop);
	assert_int_equal(fb_session_wait_ready(rig->session, 0), 0);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(rig_stats(rig, FB_OP_INIT).requests, 1);
	assert_int_equal(rig_stats(rig, FB_OP_INIT).errors, 0);
	rig_end(rig);
}

/* A client that is too old is refused before the driver is asked. */
static void test_again_after_an_old_client(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->loop_options.minor = 26;
	assert_int_equal(rig_connect(rig), -EPROTO);
	rig->loop_options.minor = 27;
	assert_int_equal(fb_loopback_new(rig->session, &rig->loop_options, &rig->loop), 0);
	client_init(&rig->client, rig->loop);
	assert_int_equal(client_getattr(&rig->client, 1), 0);
	assert_int_equal(mock_calls(&rig->mock, MOCK_init), 1);
	rig_end(rig);
}

static void test_without_greeting(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->loop_options.no_init = true;
	assert_int_equal(rig_connect(rig), 0);
	assert_true(client_getattr(&rig->client, 1) < 0);
	assert_int_equal(mock_calls_all(&rig->mock), 0);
	rig_end(rig);
}

static void test_misuse(void **state)
{
	struct rig *rig = *state;
	struct fb_loopback_options no_size = { .size = 0 };
	struct fb_loopback *second = NULL;
	uint64_t ticket = 77;
	char byte;

	assert_int_equal(fb_loopback_new(rig->session, NULL, &second), -EBUSY);
	assert_null(second);
	assert_int_equal(fb_loopback_new(NULL, NULL, &second), -EINVAL);
	assert_int_equal(fb_loopback_new(rig->session, NULL, NULL), -EINVAL);
	assert_int_equal(fb_loopback_new(rig->session, &no_size, &second), -EINVAL);
	assert_int_equal(fb_loopback_send(NULL, &getattr, sizeof(getattr), &byte, 1), -EINVAL);
	assert_int_equal(fb_loopback_send(rig->loop, NULL, 1, &byte, 1), -EINVAL);
	assert_int_equal(fb_loopback_send(rig->loop, &getattr, sizeof(getattr), NULL, 1), -EINVAL);
	assert_int_equal(fb_loopback_submit(rig->loop, NULL, 1, &ticket), -EINVAL);
	assert_int_equal(fb_loopback_submit(rig->loop, &getattr, 1, NULL), -EINVAL);
	assert_int_equal(ticket, 77);
	assert_int_equal(fb_loopback_receive(NULL, 1, &byte, 1, 0), -EINVAL);
	assert_int_equal(fb_loopback_receive(rig->loop, 1, NULL, 1, 0), -EINVAL);
	assert_int_equal(fb_loopback_notification(NULL, &byte, 1, 0), -EINVAL);
	assert_int_equal(fb_loopback_notification(rig->loop, NULL, 1, 0), -EINVAL);
	fb_loopback_drop_answers(NULL, 1, EIO);
	fb_loopback_free(NULL);
	test_exchange(state);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_exchange),
		WITH_RIG(test_answer_that_does_not_fit),
		WITH_RIG(test_malformed),
		WITH_RIG(test_no_answer),
		WITH_RIG(test_lost_lookup),
		WITH_RIG(test_lost_open),
		WITH_RIG(test_late_answers),
		WITH_RIG(test_send_waits_for_a_late_answer),
		WITH_RIG(test_notifications),
		WITH_RIG(test_many_threads),
		WITH_RIG(test_after_stop),
		WITH_RIG(test_after_destroy),
		WITH_RIG(test_misuse),
		cmocka_unit_test(test_farewell),
		cmocka_unit_test(test_old_client),
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_again_after_a_refusal),
		cmocka_unit_test(test_again_after_an_old_client),
		cmocka_unit_test(test_without_greeting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
