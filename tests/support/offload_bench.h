/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bench of fake_bench.h for tests of requests that other threads serve (core/offload.h): which
 * thread has been in the driver, and acts for it.
 */
#ifndef TESTS_OFFLOAD_BENCH_H
#define TESTS_OFFLOAD_BENCH_H

#include "fake_bench.h"

/* Requests of a kind that are given to other threads, however quick all are. */
#define OFFLOAD_BELIEVED 11
/* … after one that was stuck. */
#define OFFLOAD_DOUBTED 24

/* For cmocka, in place of fake_bench_set_up(): one worker, and four at most. */
int offload_set_up(void **state);

/* Start, greet, and have the transport ask for other threads. */
void offload_start(struct fake_bench *b);

/* The default act of the driver here: note the thread and go on. */
int offload_note(struct mock *m, enum mock_op op, struct fb_req *req, int r);

/* The same, and wait for 20 ms; wait at the gate; wait for an interrupt; hold the request back. */
int offload_sleep(struct mock *m, enum mock_op op, struct fb_req *req, int r);
int offload_block(struct mock *m, enum mock_op op, struct fb_req *req, int r);
int offload_await_interrupt(struct mock *m, enum mock_op op, struct fb_req *req, int r);
int offload_hold(struct mock *m, enum mock_op op, struct fb_req *req, int r);

/* Whether another thread than a worker was the last in the driver; forgets it. */
bool offload_elsewhere(struct fake_bench *b);

/* Send GETATTRs one by one until the worker has served many of them in a row by itself. */
void offload_make_quick(struct fake_bench *b);

/* Send without a body. A GETATTR that is answered; an answer with this error; nothing for 100 ms. */
void offload_send(struct fake_bench *b, uint32_t opcode, uint64_t unique);
void offload_getattr(struct fake_bench *b, uint64_t unique);
void offload_failed(struct fake_bench *b, uint64_t unique, int error);
void offload_silence(struct fake_bench *b);
void offload_interrupt(struct fake_bench *b, uint64_t unique);

/* Nothing is pending any more, which shows a little later than the answer. */
void offload_all_over(struct fake_bench *b);

#endif
