/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that is read at once but answered later, from another thread: migrate_pending FILE, which is
 * mounted upon. Where a driver of libfuse keeps its req and replies later, one of libfb returns
 * FB_PENDING.
 */
#include <errno.h>
#include <libfb/fb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char text[] = "late\n";

/* What is left to do for a read. The sink lives until the request is completed. */
struct work {
	struct fb_req *req;
	struct fb_sink *to;
	size_t start, size;
};

static void *later(void *arg)
{
	struct work *work = arg;
	int r;

	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	r = fb_sink_put(work->to, text + work->start, work->size);
	if (fb_req_complete(work->req, r < 0 ? r : (int)work->size) < 0)
		fprintf(stderr, "completed twice\n");
	free(work);
	return NULL;
}

static int late_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		     size_t count, uint64_t off)
{
	size_t start = off < strlen(text) ? off : strlen(text);
	size_t size = count < strlen(text) - start ? count : strlen(text) - start;
	struct work *work = malloc(sizeof(*work));
	pthread_t thread;
	int r;

	if (!work)
		return -ENOMEM;
	*work = (struct work){ req, to, start, size };
	r = pthread_create(&thread, NULL, later, work);
	if (r != 0) {
		free(work);
		return -r;
	}
	pthread_detach(thread);
	return FB_PENDING;
}

static int late_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
			struct fb_attr_reply *ret_attr)
{
	ret_attr->attr = (struct fb_attr){
		.ino = node, .mode = S_IFREG | 0444, .nlink = 1, .size = strlen(text)
	};
	return 0;
}

static const struct fb_driver_ops ops = { .size = sizeof(ops),
					  .getattr = late_getattr,
					  .read = late_read };

int main(int argc, char **argv)
{
	struct fb_session *session;

	if (argc == 2 && fb_session_new(&ops, NULL, NULL, &session) == 0 &&
	    fb_mount(session, argv[1], NULL) == 0 && fb_session_stop_on_signals(session) == 0 &&
	    fb_session_run(session) == 0)
		return 0;
	fprintf(stderr, "migrate_pending FILE: %s\n", fb_last_error());
	return 1;
}
