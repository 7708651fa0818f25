/* SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

#include <errno.h>
#include <libfb/log.h>
#include <linux/magic.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include "scope.h"

/* A request to a mount that does not answer can not be taken back: hence a thread for it. */
struct probe {
	char *mountpoint;
	sem_t done;
	int result; /* what statfs() gave, valid after done */
	long type;
};

static void *ask(void *arg)
{
	struct probe *probe = arg;
	struct statfs about;

	probe->result = statfs(probe->mountpoint, &about) < 0 ? -errno : 0;
	probe->type = probe->result < 0 ? 0 : (long)about.f_type;
	sem_post(&probe->done);
	return NULL;
}

static struct timespec deadline_after(unsigned seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += (time_t)seconds;
	return now;
}

static int wait_until(sem_t *done, const struct timespec *deadline)
{
	int result;

	do {
		result = sem_clockwait(done, CLOCK_MONOTONIC, deadline) < 0 ? -errno : 0;
	} while (result == -EINTR);
	return result;
}

static int judge(const struct probe *probe)
{
	if (probe->result < 0)
		return fb_fail(-probe->result, "the mount on %s answers with an error: %s",
			       probe->mountpoint, strerror(-probe->result));
	if (probe->type != FUSE_SUPER_MAGIC)
		return fb_fail(ENOTCONN, "nothing is mounted on %s any more", probe->mountpoint);
	return 0;
}

static void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	sem_destroy(&probe->done);
	free(probe->mountpoint);
	free(probe);
}

static struct probe *probe_new(const char *mountpoint)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	sem_init(&probe->done, 0, 0);
	probe->mountpoint = strdup(mountpoint);
	return probe;
}

int probe_mount(const char *mountpoint, unsigned timeout_s)
{
	struct timespec deadline = deadline_after(timeout_s);
	struct probe *probe = probe_new(mountpoint);
	pthread_t thread;
	int result;

	if (!probe || !probe->mountpoint || pthread_create(&thread, NULL, ask, probe)) {
		probe_free(probe);
		return fb_fail(EAGAIN, "can not start a thread");
	}
	if (wait_until(&probe->done, &deadline) < 0) {
		pthread_detach(thread);
		return fb_fail(ETIMEDOUT, "the mount on %s did not answer within %u s", mountpoint,
			       timeout_s);
	}
	pthread_join(thread, NULL);
	result = judge(probe);
	probe_free(probe);
	return result;
}
