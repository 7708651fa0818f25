/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server for test_waiting.py, whose requests take long in every way: files in memory, file0 to
 * file15, of which nothing may be cached.
 *
 * A lookup of "sleep…" keeps its worker for a while, one of "pending…" is held back until the command
 * "answer" on standard input; nobody has such files. Locks are waited for without a thread. Each file
 * has one extended attribute, and an ioctl that turns bytes round.
 *
 * Commands, each with one line "answer: NUMBER": waiting (how many requests), answer (to how many
 * lookups).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

#define ROOT 1
#define FILES 16
#define FILE_MAX (2u << 20)
#define WAITERS_MAX 256
#define LOOKUP FILES
#define NODE(file) ((file) + 2)
#define TURN_MAX 4096
#define IOC_TURN _IOC(_IOC_READ | _IOC_WRITE, 'F', 1, TURN_MAX)

struct file {
	pthread_mutex_t lock; /* of what is in it */
	size_t size, xattr_size;
	uint8_t bytes[FILE_MAX], xattr[FB_XATTR_MAX];
};

/* A request that waits for the lock of a file, or a lookup that waits for a command. */
struct waiter {
	struct fb_req *req;
	unsigned file; /* LOOKUP: none */
	uint64_t owner;
};

static struct fb_session_options session_options = { .size = sizeof(session_options) };
static struct fb_session *session;
static unsigned sleep_ms = 3000;
static atomic_bool ended;
static struct file files[FILES];

/* Guards what is below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter waiters[WAITERS_MAX];
static unsigned waiter_count;
static uint64_t owners[FILES];
static bool locked[FILES];

static sem_t look; /* a lock may have become free, or a waiter been interrupted */

/* ---- requests that wait ----------------------------------------------------------------------- */

static void wake(struct fb_req *req, void *arg)
{
	(void)req;
	(void)arg;
	sem_post(&look);
}

static int wait_for(struct fb_req *req, unsigned file, uint64_t owner)
{
	int r = -ENOLCK;

	fb_req_on_interrupt(req, wake, NULL);
	pthread_mutex_lock(&lock);
	if (waiter_count < WAITERS_MAX) {
		waiters[waiter_count++] = (struct waiter){ req, file, owner };
		r = FB_PENDING;
	}
	pthread_mutex_unlock(&lock);
	/* What it waits for may have happened before it stood in the list. */
	sem_post(&look);
	return r;
}

/* ---- names and attributes ------------------------------------------------------------------ */

static struct file *file_of(uint64_t node)
{
	return node >= NODE(0) && node < NODE(FILES) ? &files[node - NODE(0)] : NULL;
}

static void fill_attr(uint64_t node, struct fb_attr *ret_attr)
{
	struct file *file = file_of(node);

	*ret_attr = (struct fb_attr){
		.ino = node,
		.mode = file ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
		.blksize = 4096,
	};
	if (!file)
		return;
	pthread_mutex_lock(&file->lock);
	ret_attr->size = file->size;
	pthread_mutex_unlock(&file->lock);
}

static int do_init(void *self, struct fb_session *s, struct fb_conn *conn)
{
	(void)self;
	(void)s;
	conn->wanted |= FB_INIT_POSIX_LOCKS;
	return 0;
}

static int do_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     struct fb_entry *ret_entry)
{
	unsigned number;

	(void)self;
	if (strncmp(name, "pending", 7) == 0)
		return wait_for(req, LOOKUP, 0);
	if (strncmp(name, "sleep", 5) == 0)
		usleep(sleep_ms * 1000);
	if (parent != ROOT || sscanf(name, "file%u", &number) != 1 || number >= FILES)
		return -ENOENT;
	ret_entry->node = NODE(number);
	fill_attr(ret_entry->node, &ret_entry->attr);
	return 0;
}

static int do_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	(void)fh;
	fill_attr(node, &ret_attr->attr);
	return 0;
}

static int do_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		      struct fb_attr_reply *ret_attr)
{
	struct file *file = file_of(node);

	(void)self;
	(void)req;
	if (file && (set->valid & FB_SETATTR_SIZE)) {
		if (set->size > FILE_MAX)
			return -EFBIG;
		pthread_mutex_lock(&file->lock);
		if (set->size > file->size)
			memset(file->bytes + file->size, 0, set->size - file->size);
		file->size = set->size;
		pthread_mutex_unlock(&file->lock);
	}
	fill_attr(node, &ret_attr->attr);
	return 0;
}

/* ---- data ---------------------------------------------------------------------------------- */

static int do_open(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		   struct fb_open *ret_open)
{
	(void)self;
	(void)req;
	(void)flags;
	(void)open_flags;
	ret_open->flags = FB_FOPEN_DIRECT_IO;
	return file_of(node) ? 0 : -EISDIR;
}

static int do_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t count, uint64_t off)
{
	struct file *file = file_of(node);
	int r = 0;

	(void)self;
	(void)req;
	(void)fh;
	if (!file)
		return -EISDIR;
	pthread_mutex_lock(&file->lock);
	if (off < file->size) {
		count = count < file->size - off ? count : file->size - off;
		r = fb_sink_put(to, file->bytes + off, count);
	}
	pthread_mutex_unlock(&file->lock);
	return r;
}

static int do_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    struct fb_source *from, size_t count, uint64_t off)
{
	struct file *file = file_of(node);

	(void)self;
	(void)req;
	(void)fh;
	if (!file)
		return -EISDIR;
	if (off > FILE_MAX || count > FILE_MAX - off)
		return -EFBIG;
	pthread_mutex_lock(&file->lock);
	if (off > file->size)
		memset(file->bytes + file->size, 0, off - file->size);
	count = fb_source_copy(from, file->bytes + off, count);
	if (file->size < off + count)
		file->size = off + count;
	pthread_mutex_unlock(&file->lock);
	return (int)count;
}

static int do_setxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
		       const void *value, size_t size, uint32_t flags)
{
	struct file *file = file_of(node);

	(void)self;
	(void)req;
	(void)flags;
	if (!file || strcmp(name, "user.large") != 0 || size > FB_XATTR_MAX)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&file->lock);
	memcpy(file->xattr, value, size);
	file->xattr_size = size;
	pthread_mutex_unlock(&file->lock);
	return 0;
}

static int do_getxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
		       struct fb_sink *to, size_t size)
{
	struct file *file = file_of(node);
	int r;

	(void)self;
	(void)req;
	if (!file || strcmp(name, "user.large") != 0)
		return -ENODATA;
	pthread_mutex_lock(&file->lock);
	r = (int)file->xattr_size;
	if (size > 0)
		r = size < file->xattr_size ? -ERANGE :
					      fb_sink_put(to, file->xattr, file->xattr_size);
	pthread_mutex_unlock(&file->lock);
	return r;
}

/* IOC_TURN: the bytes come back last first. */
static int do_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	uint8_t turned[TURN_MAX];
	const uint8_t *in = call->in;

	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	if (call->cmd != IOC_TURN || call->in_size != TURN_MAX || call->out_size < TURN_MAX)
		return -ENOTTY;
	for (size_t i = 0; i < TURN_MAX; i++)
		turned[i] = in[TURN_MAX - 1 - i];
	*ret_result = 7;
	return fb_sink_put(to, turned, TURN_MAX);
}

/* ---- locks --------------------------------------------------------------------------------- */

/* Under the lock: whether the owner has the file's lock now. */
static bool take_lock(unsigned file, uint64_t owner)
{
	if (locked[file] && owners[file] != owner)
		return false;
	locked[file] = true;
	owners[file] = owner;
	return true;
}

static void give_lock(unsigned file, uint64_t owner)
{
	pthread_mutex_lock(&lock);
	if (locked[file] && owners[file] == owner)
		locked[file] = false;
	pthread_mutex_unlock(&lock);
	sem_post(&look);
}

static int do_setlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		    const struct fb_lock *wanted, uint32_t flags)
{
	unsigned file = (unsigned)(node - NODE(0));
	bool taken;

	(void)self;
	(void)fh;
	if (!file_of(node))
		return -EBADF;
	if (wanted->type == F_UNLCK) {
		give_lock(file, owner);
		return 0;
	}
	pthread_mutex_lock(&lock);
	taken = take_lock(file, owner);
	pthread_mutex_unlock(&lock);
	if (taken)
		return 0;
	return flags & FB_LK_WAIT ? wait_for(req, file, owner) : -EAGAIN;
}

static int do_flush(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t lock_owner)
{
	(void)self;
	(void)req;
	(void)fh;
	if (file_of(node))
		give_lock((unsigned)(node - NODE(0)), lock_owner);
	return 0;
}

/* Under the lock: take the first waiter off the list that need not wait any more, or any lookup. */
static struct fb_req *next_ready(bool lookups, int *ret_result)
{
	for (unsigned i = 0; i < waiter_count; i++) {
		struct waiter waiter = waiters[i];

		if (fb_req_interrupted(waiter.req))
			*ret_result = -EINTR;
		else if (waiter.file == LOOKUP && lookups)
			*ret_result = -ENOENT;
		else if (waiter.file != LOOKUP && take_lock(waiter.file, waiter.owner))
			*ret_result = 0;
		else
			continue;
		waiters[i] = waiters[--waiter_count];
		return waiter.req;
	}
	return NULL;
}

/* Complete what is ready; with lookups, all that wait for the command. Returns how many lookups. */
static unsigned complete_ready(bool lookups)
{
	struct fb_req *req;
	unsigned answered = 0;
	int result;

	for (;;) {
		pthread_mutex_lock(&lock);
		req = next_ready(lookups, &result);
		pthread_mutex_unlock(&lock);
		if (!req || fb_req_complete(req, result) < 0)
			return answered;
		answered += result == -ENOENT;
	}
}

/* The thread that completes what has become ready. */
static void *ready_main(void *arg)
{
	(void)arg;
	while (!ended) {
		complete_ready(false);
		while (sem_wait(&look) < 0)
			;
	}
	return NULL;
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops),
	.init = do_init,
	.lookup = do_lookup,
	.forget = server_forget,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.setxattr = do_setxattr,
	.getxattr = do_getxattr,
	.ioctl = do_ioctl,
	.setlk = do_setlk,
};

/* ---- the program --------------------------------------------------------------------------- */

static void command(const char *line)
{
	unsigned number;

	pthread_mutex_lock(&lock);
	number = waiter_count;
	pthread_mutex_unlock(&lock);
	if (strcmp(line, "answer\n") == 0)
		number = complete_ready(true);
	printf("answer: %u\n", number);
}

static void stop(int signal)
{
	(void)signal;
	fb_session_stop(session);
	close(STDIN_FILENO);
}

static const struct option long_options[] = {
	{ "sleep-ms", required_argument, NULL, 's' },
	{ "workers", required_argument, NULL, 'W' },
	{ "max-workers", required_argument, NULL, 'M' },
	{ "max-write", required_argument, NULL, 'w' },
	{ 0 },
};

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		unsigned value = optarg ? (unsigned)atoi(optarg) : 0;

		if (c == 's')
			sleep_ms = value;
		else if (c == 'W')
			session_options.workers = value;
		else if (c == 'M')
			session_options.max_workers = value;
		else if (c == 'w')
			session_options.max_write = value;
		else
			exit(2);
	}
	if (argc - optind != 1)
		exit(2);
}

static int serve_until_told(const char *mountpoint, const struct sigaction *action)
{
	const struct fb_mount_options options = server_mount_options();
	sigset_t term;
	char line[128];

	/* SIGTERM is for this thread only: it waits for commands. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	if (server_serve(&ops, NULL, &session_options, mountpoint, &options, &session) < 0)
		return -1;
	sigaction(SIGTERM, action, NULL);
	pthread_sigmask(SIG_UNBLOCK, &term, NULL);
	printf("serving\n");
	while (fgets(line, sizeof(line), stdin))
		command(line);
	fb_session_stop(session);
	return fb_session_wait(session);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	pthread_t thread;
	int r;

	server_begin();
	parse(argc, argv);
	sem_init(&look, 0, 0);
	for (unsigned i = 0; i < FILES; i++)
		pthread_mutex_init(&files[i].lock, NULL);
	if (pthread_create(&thread, NULL, ready_main, NULL) != 0)
		return 1;
	r = serve_until_told(argv[optind], &action);
	printf("ended: result %d\n", r);
	ended = true;
	sem_post(&look);
	pthread_join(thread, NULL);
	fb_session_unref(session);
	return r < 0 ? 1 : 0;
}
