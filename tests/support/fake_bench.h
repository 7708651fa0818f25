/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session with the driver of the tests over the fake transport, for tests of what serves it.
 */
#ifndef TESTS_FAKE_BENCH_H
#define TESTS_FAKE_BENCH_H

#include <pthread.h>
#include <semaphore.h>

#include "fake_transport.h"
#include "mock_driver.h"

struct fake_bench {
	struct mock mock;
	struct fb_session_options options;
	struct fb_session *session;
	struct fake_transport *fake;
	sem_t gate; /* what fake_bench_block() waits at */
};

/* For cmocka: one bench, with options that can be changed before it starts. The state is the bench. */
int fake_bench_set_up(void **state);
/* Let all go who wait at the gate, drop the session and check the balance. */
int fake_bench_tear_down(void **state);

/* Make the session and attach the transport; start it too. */
void fake_bench_attach(struct fake_bench *b);
void fake_bench_start(struct fake_bench *b);

struct fb_session_stats fake_bench_stats(struct fake_bench *b);

/* Send a GETATTR; a LOOKUP. */
void fake_bench_getattr(struct fake_bench *b, uint64_t unique);
void fake_bench_lookup(struct fake_bench *b, uint64_t unique);

/* Receive an answer that is to be a success, to this request. */
void fake_bench_answered(struct fake_bench *b, uint64_t unique);

/* An act of the driver: wait at the gate of the bench in m->arg. */
int fake_bench_block(struct mock *m, enum mock_op op, struct fb_req *req, int r);

/* Wait until the operation has been called that often; 10 s at most. */
void fake_bench_called(struct fake_bench *b, enum mock_op op, unsigned count);

/* fb_session_work() in a thread, and what it returned. */
pthread_t fake_bench_work(struct fake_bench *b);
int fake_bench_worked(pthread_t thread);

#endif
