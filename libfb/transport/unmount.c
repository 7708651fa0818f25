/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/scope.h"
#include "transport/mount.h"
#include "transport/mountpoint.h"

/* A step that sees no write of dirty pages begin or end for so long is given up. */
#define STALLED_S 30
/*
 * After dirty pages were sent out: how long none must come, and how long we wait for that. The steps
 * are short, since under load the kernel's queue is empty for moments only.
 */
#define QUIET_MS 100
#define QUIET_STEP_MS 1
#define QUIET_WAIT_MS 10000
#define FIRST_DESCRIPTOR 3

enum step {
	STEP_PLAIN, /* unmount if it is not busy */
	STEP_FLUSH, /* send dirty pages out */
	STEP_LAZY,  /* unmount, whoever uses it */
	STEP_FORCE, /* unmount and end the connection */
	STEP_TOUCH, /* ask the server for the root's attributes */
};

/*
 * ThreadSanitizer takes descriptors of the same number for the same one in all threads, which is
 * not so for a thread that has given up those of the process.
 */
#if defined(__SANITIZE_THREAD__)
#define SANITIZE_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZE_THREAD 1
#endif
#endif
#ifdef SANITIZE_THREAD
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#define AnnotateIgnoreWritesBegin(file, line) ((void)0)
#define AnnotateIgnoreWritesEnd(file, line) ((void)0)
#endif

/* Shared by who asks for a step and the thread that does it; the last one frees it. */
struct job {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done, abandoned;
	int result;
	char error[256];
	enum step step;
	bool connected;
	unsigned cpu; /* of STEP_TOUCH */
	struct fb_mount_id id;
	char path[PATH_MAX];
};

static void job_free(struct job *job)
{
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

/* ---- in the thread ------------------------------------------------------------------------- */

/*
 * Learn where our mount is now. Returns 0, -ENOENT when it is gone, or -EBUSY when another mount
 * covers it.
 */
static int find_own(const struct job *job, char path[PATH_MAX])
{
	FB_SCOPED_FD fd = -1;
	struct fb_mount_entry entry;
	struct stat st;

	strcpy(path, job->path);
	if (job->id.number == 0)
		return job->connected ? 0 : -ENOENT;
	if (fb_mount_entry_find(job->id.number, &entry) < 0 || entry.id.major != job->id.major ||
	    entry.id.minor != job->id.minor)
		return -ENOENT;
	strcpy(path, entry.path);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fb_mount_number(fd) != job->id.number)
		return fb_fail(EBUSY, "another mount covers %s", path);
	/*
	 * While we are connected nobody else can have our device number. Afterwards both numbers
	 * may already name the mount of our successor, but that one is not dead.
	 */
	if (!job->connected && (fstat(fd, &st) == 0 || !fb_mountpoint_is_stale(errno)))
		return -ENOENT;
	return 0;
}

/* Have dirty pages sent to the server. The root may be a regular file. */
static int flush(const char *path)
{
	FB_SCOPED_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return fb_fail(errno, "%s", strerror(errno));
	return 0;
}

static int touch(const char *path, unsigned cpu)
{
	struct statx attr;
	cpu_set_t there;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	if (pthread_setaffinity_np(pthread_self(), sizeof(there), &there) != 0)
		return -EINVAL;
	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS,
		     &attr) < 0 ?
		       -errno :
		       0;
}

static int step_do(const struct job *job)
{
	char path[PATH_MAX];
	int r = find_own(job, path);

	if (r < 0)
		return r;
	switch (job->step) {
	case STEP_PLAIN:
		return fb_mountpoint_unmount(path, FB_UNMOUNT_PLAIN);
	case STEP_FLUSH:
		return flush(path);
	case STEP_LAZY:
		return fb_mountpoint_unmount(path, FB_UNMOUNT_LAZY);
	case STEP_TOUCH:
		return touch(path, job->cpu);
	default:
		return fb_mountpoint_unmount(path, FB_UNMOUNT_FORCE);
	}
}

static void *job_main(void *arg)
{
	struct job *job = arg;
	bool abandoned;
	int r;

	/* See the head of unmount.h. Kernels before 5.9 can not; there it stays a rare danger. */
	if (close_range(FIRST_DESCRIPTOR, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		errno = 0;
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	r = step_do(job);
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	pthread_mutex_lock(&job->lock);
	job->result = r;
	if (r < 0)
		snprintf(job->error, sizeof(job->error), "%s", fb_last_error());
	job->done = true;
	abandoned = job->abandoned;
	pthread_cond_signal(&job->changed);
	pthread_mutex_unlock(&job->lock);
	if (abandoned)
		job_free(job);
	return NULL;
}

/* ---- outside ------------------------------------------------------------------------------- */

static struct job *job_new(const struct fb_mount *mount, enum step step, bool connected)
{
	struct job *job = calloc(1, sizeof(*job));
	pthread_condattr_t monotonic;

	if (!job)
		return NULL;
	pthread_mutex_init(&job->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&job->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	job->step = step;
	job->connected = connected;
	job->id = mount->id;
	strcpy(job->path, mount->path);
	return job;
}

static uint64_t writeback(const struct fb_mount_progress *progress, uint64_t *ret_under_way)
{
	*ret_under_way = 0;
	return progress ? progress->writeback(progress->arg, ret_under_way) : 0;
}

/* Wait until the job is done. Returns whether it is; else it makes no progress. */
static bool job_wait(struct job *job, const struct fb_mount_progress *progress)
{
	uint64_t under_way, seen = writeback(progress, &under_way), now;
	int stalled_s = 0;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	while (!job->done && stalled_s < STALLED_S) {
		until.tv_sec++;
		while (!job->done &&
		       pthread_cond_timedwait(&job->changed, &job->lock, &until) != ETIMEDOUT)
			;
		now = writeback(progress, &under_way);
		stalled_s = now == seen ? stalled_s + 1 : 0;
		seen = now;
	}
	return job->done;
}

static int job_start(struct job *job, pthread_t *thread)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, NULL, job_main, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* Whether the other end of /dev/fuse is still there. */
static bool is_connected(const struct fb_mount *mount)
{
	struct pollfd fd = { .fd = mount->fd };

	return poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLERR);
}

void fb_mount_touch(const struct fb_mount *mount, unsigned cpu)
{
	struct job *job = job_new(mount, STEP_TOUCH, true);
	pthread_t thread;

	if (!job)
		return;
	job->cpu = cpu;
	job->abandoned = true;
	if (job_start(job, &thread) < 0)
		job_free(job);
	else
		pthread_detach(thread);
}

/* Do one step. Returns its result, or -ETIMEDOUT when it was left behind. */
static int run(const struct fb_mount *mount, enum step step,
	       const struct fb_mount_progress *progress)
{
	struct job *job = job_new(mount, step, is_connected(mount));
	pthread_t thread;
	bool done;
	int r;

	if (!job)
		return -ENOMEM;
	r = job_start(job, &thread);
	if (r < 0) {
		job_free(job);
		return r;
	}
	pthread_mutex_lock(&job->lock);
	done = job_wait(job, progress);
	job->abandoned = !done;
	pthread_mutex_unlock(&job->lock);
	if (!done) {
		pthread_detach(thread);
		return fb_fail(ETIMEDOUT, "no request was answered for %d s", STALLED_S);
	}
	pthread_join(thread, NULL);
	r = job->result;
	if (r < 0)
		fb_fail(-r, "%s", job->error);
	job_free(job);
	return r;
}

/* Whether the kernel has no request for us. */
static bool is_queue_empty(const struct fb_mount *mount)
{
	struct pollfd fd = { .fd = mount->fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 0;
}

/*
 * Wait until no more pages come: syncfs(2) sends those of FUSE out, but does not wait for them. They
 * may stand in the queue behind what other clients ask, so it has to be seen empty, too.
 */
static void settle(const struct fb_mount *mount, const struct fb_mount_progress *progress)
{
	uint64_t under_way, seen = writeback(progress, &under_way);
	bool empty = false;
	int quiet_ms = 0;

	for (int ms = 0; ms < QUIET_WAIT_MS && quiet_ms < QUIET_MS; ms += QUIET_STEP_MS) {
		uint64_t now;

		poll(NULL, 0, QUIET_STEP_MS);
		now = writeback(progress, &under_way);
		empty = (empty && now == seen) || is_queue_empty(mount);
		quiet_ms = now == seen && empty && !under_way ? quiet_ms + QUIET_STEP_MS : 0;
		seen = now;
	}
}

static void log_result(const struct fb_mount *mount, int r)
{
	if (r < 0 && r != -ENOENT)
		fb_log(FB_LOG_WARNING, "%s stays mounted: %s", mount->path, fb_last_error());
}

void fb_mount_end(const struct fb_mount *mount, const struct fb_mount_progress *progress)
{
	int r;

	if (!mount->own)
		return;
	if (!progress) {
		log_result(mount, run(mount, STEP_FORCE, NULL));
		return;
	}
	if (!is_connected(mount)) {
		log_result(mount, run(mount, STEP_LAZY, NULL));
		return;
	}
	r = run(mount, STEP_PLAIN, progress);
	if (r == 0 || r == -ENOENT || r == -ETIMEDOUT) {
		log_result(mount, r);
		return;
	}
	r = run(mount, STEP_FLUSH, progress);
	if (r == 0)
		settle(mount, progress);
	else if (r != -ENOENT)
		fb_log(FB_LOG_WARNING, "%s: dirty pages could not be sent out: %s", mount->path,
		       fb_last_error());
	log_result(mount, run(mount, STEP_FORCE, progress));
}
