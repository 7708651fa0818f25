/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for tests: it notes how it was called, answers as it is told, can hold requests back,
 * and counts what it has given out (nodes, open files) and what came back.
 */
#ifndef TESTS_MOCK_DRIVER_H
#define TESTS_MOCK_DRIVER_H

#include <libfb/fb.h>
#include <pthread.h>

#define MOCK_NUMBERS_MAX 12
#define MOCK_DATA_MAX 65536
#define MOCK_NAME_MAX 4200
#define MOCK_HELD_MAX 8192
#define MOCK_GIVEN_MAX 1024

enum mock_op {
#define MOCK_X(op) MOCK_##op,
	FB_DRIVER_OPS(MOCK_X)
#undef MOCK_X
		MOCK_OPS
};

/* One call as the driver saw it: numbers in the order of the operation's arguments. */
struct mock_call {
	enum mock_op op;
	uint64_t numbers[MOCK_NUMBERS_MAX];
	size_t number_count;
	char names[2][MOCK_NAME_MAX];
	uint8_t data[MOCK_DATA_MAX]; /* of write, setxattr, ioctl */
	size_t data_size;
	struct fb_caller caller; /* its groups lie in groups */
	uint32_t groups[64];
	struct fb_io io;
};

/* What a successful answer hands out. */
struct mock_gift {
	uint64_t node; /* one lookup of it, or 0 */
	bool file, dir;
	uint64_t opened, fh; /* for release or releasedir */
};

struct mock_held {
	struct fb_req *req;
	struct mock_gift gift;
};

struct mock_given {
	uint64_t node, fh;
	bool file, dir; /* neither: lookups of node */
	int64_t count;
};

struct mock;

/* What an act returns when it has completed the request itself. */
#define MOCK_GONE (FB_PENDING - 1)

/* Decide on a result in the driver's thread: r is what the operation would return. */
typedef int mock_act_fn(struct mock *m, enum mock_op op, struct fb_req *req, int r);

struct mock {
	struct fb_driver_ops ops;   /* all there; leave some out before the session is made */
	struct fb_session *session; /* of init */

	/* What operations answer with. */
	struct fb_entry entry;
	struct fb_attr_reply attr;
	struct fb_open open;
	struct fb_statfs statfs;
	struct fb_lock lock_found;
	struct fb_statx statx;
	uint64_t number; /* lseek, copy_file_range, bmap */
	uint32_t revents;
	int32_t ioctl_result;
	const void *bytes; /* what goes into sinks, as far as it fits */
	size_t bytes_size;
	const struct fb_dirent *listing;
	const struct fb_entry *listing_plus; /* as many; or NULL */
	size_t listing_count;
	struct fb_conn conn_seen; /* in init, before change */
	void (*conn_change)(struct fb_conn *conn);

	bool forced[MOCK_OPS]; /* return results[op] */
	int results[MOCK_OPS];
	mock_act_fn *acts[MOCK_OPS], *act_any;
	void *arg; /* of whoever wrote the acts */

	pthread_mutex_t lock; /* over all that follows */
	pthread_cond_t changed;
	unsigned calls[MOCK_OPS];
	struct mock_call last;
	struct mock_held held[MOCK_HELD_MAX];
	size_t held_count;
	struct mock_given given[MOCK_GIVEN_MAX];
	size_t given_count;
	bool client_takes; /* what comes back now is not the core's doing: do not count it */
	unsigned strays;   /* things that came back and had not been given */
};

void mock_init(struct mock *m);
void mock_fini(struct mock *m);

/* Have an operation return this from now on, with its outputs filled in as ever. */
void mock_force(struct mock *m, enum mock_op op, int result);
void mock_unforce(struct mock *m, enum mock_op op);

/* Leave an operation out; before the session is made. */
void mock_leave_out(struct mock *m, enum mock_op op);

const char *mock_op_name(enum mock_op op);
unsigned mock_calls(struct mock *m, enum mock_op op);
unsigned mock_calls_all(struct mock *m);

/* Wait until that many requests are held back; false when it takes more than 10 s. */
bool mock_wait_held(struct mock *m, size_t count);

/* Complete the request held longest, or a certain one. Returns what fb_req_complete() returned. */
int mock_complete(struct mock *m, int result);
int mock_complete_req(struct mock *m, struct fb_req *req, int result);

/* How many lookups and open files are out. */
int64_t mock_nodes_out(struct mock *m);
int64_t mock_files_out(struct mock *m);

#endif
