/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server for test_notify.py: files in memory that change without the kernel's knowing, and
 * commands on standard input that send it notifications. Each command gets one line as its answer,
 * after the notification has been delivered: "answer: " and 0, a number of bytes, or -errno.
 *
 * Names: file0 to file7. A lookup of "pending…" is held back until the command "answer", a lookup of
 * "blocked…" keeps its worker until then; nobody has such files. All that is told may be cached.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define ROOT 1
#define FILES 8
#define FILE_MAX (64u << 10)
#define HELD_MAX 16
#define RETRIEVE_SECONDS 10
#define CACHED_NS (3600 * UINT64_C(1000000000))
#define NODE(file) ((file) + 2)
#define SLOW_US 1000

struct file {
	size_t size;
	uint8_t bytes[FILE_MAX];
};

struct numbers {
	_Atomic unsigned lookups, forgets, getattrs, reads, writes, creates;
};

static struct fb_session_options session_options = { .size = sizeof(session_options) };
static struct fb_session *session;
static bool writeback, notify_in_writes, notify_always;
static struct numbers numbers;

/* Guards what is below. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct file files[FILES];
static struct fb_req *held[HELD_MAX];
static size_t held_count;
static bool answered, readable;
static uint64_t poll_handle;

/* What came back of a retrieval; the semaphore says when. */
static sem_t retrieved;
static int retrieved_result;
static uint8_t retrieved_bytes[FILE_MAX];

/* ---- the driver ---------------------------------------------------------------------------- */

static struct file *file_of(uint64_t node)
{
	return node >= NODE(0) && node < NODE(FILES) ? &files[node - NODE(0)] : NULL;
}

static void fill_attr(uint64_t node, struct fb_attr *ret_attr)
{
	struct file *file = file_of(node);

	pthread_mutex_lock(&lock);
	*ret_attr = (struct fb_attr){
		.ino = node,
		.mode = file ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
		.size = file ? file->size : 0,
		.blksize = 4096,
	};
	pthread_mutex_unlock(&lock);
}

static int do_init(void *self, struct fb_session *s, struct fb_conn *conn)
{
	(void)self;
	(void)s;
	if (writeback)
		conn->wanted |= FB_INIT_WRITEBACK_CACHE;
	return 0;
}

static int hold(struct fb_req *req)
{
	int r = -ENFILE;

	pthread_mutex_lock(&lock);
	if (held_count < HELD_MAX) {
		held[held_count++] = req;
		r = FB_PENDING;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static int block(void)
{
	pthread_mutex_lock(&lock);
	while (!answered)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return -ENOENT;
}

static int do_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     struct fb_entry *ret_entry)
{
	unsigned number;

	(void)self;
	numbers.lookups++;
	if (strncmp(name, "pending", 7) == 0)
		return hold(req);
	if (strncmp(name, "blocked", 7) == 0)
		return block();
	if (parent != ROOT || sscanf(name, "file%u", &number) != 1 || number >= FILES)
		return -ENOENT;
	ret_entry->node = NODE(number);
	ret_entry->entry_timeout_ns = ret_entry->attr_timeout_ns = CACHED_NS;
	fill_attr(ret_entry->node, &ret_entry->attr);
	return 0;
}

static void do_forget(void *self, uint64_t node, uint64_t count)
{
	(void)self;
	(void)node;
	(void)count;
	numbers.forgets++;
}

static int do_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	(void)fh;
	numbers.getattrs++;
	ret_attr->attr_timeout_ns = CACHED_NS;
	fill_attr(node, &ret_attr->attr);
	return 0;
}

/* With writeback the kernel sets times; nobody looks at them. */
static int do_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		      struct fb_attr_reply *ret_attr)
{
	(void)self;
	(void)req;
	if (set->valid & FB_SETATTR_SIZE)
		return -EPERM;
	fill_attr(node, &ret_attr->attr);
	return 0;
}

static int do_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t count, uint64_t off)
{
	struct file *file = file_of(node);
	int r = 0;

	(void)self;
	(void)req;
	(void)fh;
	numbers.reads++;
	if (!file)
		return -EISDIR;
	pthread_mutex_lock(&lock);
	if (off < file->size) {
		count = count < file->size - off ? count : file->size - off;
		r = fb_sink_put(to, file->bytes + off, count);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* The kernel keeps pages locked while it waits for our answer: these can be delivered only then. */
static int notify_of(uint64_t node)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "file%" PRIu64, node - NODE(0));
	r = fb_notify_inval_node(session, node, 0, 0);
	if (r == 0)
		r = fb_notify_inval_entry(session, ROOT, name, false);
	usleep(SLOW_US);
	return r == -ENOBUFS ? 0 : r;
}

static int do_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    struct fb_source *from, size_t count, uint64_t off)
{
	struct file *file = file_of(node);
	int r = notify_in_writes ? notify_of(node) : 0;

	(void)self;
	(void)req;
	(void)fh;
	numbers.writes++;
	if (r < 0)
		return r;
	if (!file || off > FILE_MAX || count > FILE_MAX - off)
		return -EFBIG;
	pthread_mutex_lock(&lock);
	count = fb_source_copy(from, file->bytes + off, count);
	if (file->size < off + count)
		file->size = off + count;
	pthread_mutex_unlock(&lock);
	return (int)count;
}

/* Slow, as the kernel keeps the directory locked meanwhile. */
static int do_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
		     struct fb_open *ret_open)
{
	(void)self;
	(void)req;
	(void)parent;
	(void)name;
	(void)mode;
	(void)flags;
	(void)open_flags;
	(void)ret_entry;
	(void)ret_open;
	numbers.creates++;
	usleep(SLOW_US);
	return -EACCES;
}

static int do_poll(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t kh,
		   uint32_t flags, uint32_t events, uint32_t *ret_revents)
{
	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	pthread_mutex_lock(&lock);
	if (flags & FB_POLL_SCHEDULE_NOTIFY)
		poll_handle = kh;
	*ret_revents = readable ? events & POLLIN : 0;
	pthread_mutex_unlock(&lock);
	return 0;
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops),
	.init = do_init,
	.lookup = do_lookup,
	.forget = do_forget,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.read = do_read,
	.write = do_write,
	.create = do_create,
	.poll = do_poll,
};

/* ---- commands ------------------------------------------------------------------------------ */

/* set FILE OFF SIZE BYTE: other content, of which the kernel is not told. */
static int set(unsigned file, uint64_t off, size_t size, char byte)
{
	if (file >= FILES || off > FILE_MAX || size > FILE_MAX - off)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	memset(files[file].bytes + off, byte, size);
	if (files[file].size < off + size)
		files[file].size = off + size;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* store FILE OFF SIZE BYTE */
static int store(unsigned file, uint64_t off, size_t size, char byte)
{
	uint8_t bytes[FILE_MAX];

	if (size > FILE_MAX)
		return -EINVAL;
	memset(bytes, byte, size);
	return fb_notify_store(session, NODE(file), off, bytes, size);
}

static void take_retrieved(void *arg, uint64_t node, uint64_t off, struct fb_source *from,
			   int result)
{
	(void)arg;
	(void)node;
	(void)off;
	retrieved_result = result;
	if (result > 0 && fb_source_copy(from, retrieved_bytes, FILE_MAX) != (size_t)result)
		retrieved_result = -EBADMSG;
	sem_post(&retrieved);
}

/* retrieve FILE OFF SIZE: the bytes follow as hexadecimal digits. */
static int retrieve(unsigned file, uint64_t off, uint32_t size)
{
	struct timespec until;
	int r = fb_notify_retrieve(session, NODE(file), off, size, take_retrieved, NULL);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRIEVE_SECONDS;
	return sem_timedwait(&retrieved, &until) < 0 ? -errno : retrieved_result;
}

/* answer: nobody has the files that are waited for. */
static int answer(void)
{
	struct fb_req *now[HELD_MAX];
	size_t count;
	int r = 0;

	pthread_mutex_lock(&lock);
	count = held_count;
	memcpy(now, held, sizeof(now));
	held_count = 0;
	answered = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < count && r == 0; i++)
		r = fb_req_complete(now[i], -ENOENT);
	return r;
}

static int wake_pollers(void)
{
	uint64_t kh;

	pthread_mutex_lock(&lock);
	readable = true;
	kh = poll_handle;
	pthread_mutex_unlock(&lock);
	return fb_notify_poll(session, kh);
}

static int print_numbers(void)
{
	struct fb_session_stats stats = { .size = sizeof(stats) };

	fb_session_stats_all(session, &stats);
	printf("answer: lookups %u forgets %u getattrs %u reads %u writes %u creates %u "
	       "notifications %" PRIu64 " failed %" PRIu64 " undelivered %" PRIu64
	       " pending %" PRIu32 "\n",
	       numbers.lookups, numbers.forgets, numbers.getattrs, numbers.reads, numbers.writes,
	       numbers.creates, stats.notifications, stats.notification_errors, stats.undelivered,
	       stats.pending);
	return 0;
}

static int prune(unsigned file)
{
	uint64_t node = NODE(file);

	return fb_notify_prune(session, &node, 1);
}

/* A command with its arguments; notifications have only been queued afterwards. */
static int execute(const char *line)
{
	char word[16], name[32] = "", byte = 0;
	unsigned file = 0;
	uint64_t a = 0, b = 0;

	if (sscanf(line, "%15s %31s %" SCNu64 " %" SCNu64 " %c", word, name, &a, &b, &byte) < 1)
		return -EINVAL;
	sscanf(name, "file%u", &file);
	if (strcmp(word, "set") == 0)
		return set(file, a, b, byte);
	if (strcmp(word, "store") == 0)
		return store(file, a, b, byte);
	if (strcmp(word, "retrieve") == 0)
		return retrieve(file, a, (uint32_t)b);
	if (strcmp(word, "inval_node") == 0)
		return fb_notify_inval_node(session, NODE(file), (int64_t)a, (int64_t)b);
	if (strcmp(word, "inval_attr") == 0)
		return fb_notify_inval_node(session, NODE(file), -1, 0);
	if (strcmp(word, "inval_entry") == 0)
		return fb_notify_inval_entry(session, ROOT, name, false);
	if (strcmp(word, "expire_entry") == 0)
		return fb_notify_inval_entry(session, ROOT, name, true);
	if (strcmp(word, "delete") == 0)
		return fb_notify_delete(session, ROOT, NODE(file), name);
	if (strcmp(word, "resend") == 0)
		return fb_notify_resend(session);
	if (strcmp(word, "inc_epoch") == 0)
		return fb_notify_inc_epoch(session);
	if (strcmp(word, "prune") == 0)
		return prune(file);
	if (strcmp(word, "poll") == 0)
		return wake_pollers();
	return strcmp(word, "answer") == 0 ? answer() : -EINVAL;
}

static void command(const char *line)
{
	int flushed, r;

	if (strcmp(line, "numbers\n") == 0) {
		print_numbers();
		return;
	}
	r = execute(line);
	flushed = fb_notify_flush(session);
	printf("answer: %d ", flushed < 0 ? flushed : r);
	for (int i = 0; i < r; i++)
		printf("%02x", retrieved_bytes[i]);
	printf("\n");
}

/* ---- the program --------------------------------------------------------------------------- */

static void stop(int signal)
{
	(void)signal;
	fb_session_stop(session);
	close(STDIN_FILENO);
}

/* Until the end of the session; nobody has this name either. */
static void *notifier_main(void *arg)
{
	(void)arg;
	while (fb_notify_inval_entry(session, ROOT, "nobody", false) != -ENOTCONN)
		usleep(SLOW_US / 2);
	return NULL;
}

static const struct option long_options[] = {
	{ "notify-in-writes", no_argument, NULL, 'n' },
	{ "notify-always", no_argument, NULL, 'a' },
	{ "writeback", no_argument, NULL, 'w' },
	{ "workers", required_argument, NULL, 'W' },
	{ "max-workers", required_argument, NULL, 'M' },
	{ 0 },
};

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'n':
			notify_in_writes = true;
			break;
		case 'a':
			notify_always = true;
			break;
		case 'w':
			writeback = true;
			break;
		case 'W':
			session_options.workers = (unsigned)atoi(optarg);
			break;
		case 'M':
			session_options.max_workers = (unsigned)atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 1)
		exit(2);
}

int main(int argc, char **argv)
{
	const struct fb_mount_options options = server_mount_options();
	struct sigaction action = { .sa_handler = stop };
	sigset_t term;
	pthread_t notifier;
	char line[128];
	int r;

	server_begin();
	parse(argc, argv);
	sem_init(&retrieved, 0, 0);
	/* SIGTERM is for this thread only: it waits for commands. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	if (server_serve(&ops, NULL, &session_options, argv[optind], &options, &session) < 0)
		return 1;
	if (notify_always && pthread_create(&notifier, NULL, notifier_main, NULL) != 0)
		return 1;
	sigaction(SIGTERM, &action, NULL);
	pthread_sigmask(SIG_UNBLOCK, &term, NULL);
	printf("serving\n");
	while (fgets(line, sizeof(line), stdin))
		command(line);
	fb_session_stop(session);
	r = fb_session_wait(session);
	print_numbers();
	if (notify_always)
		pthread_join(notifier, NULL);
	fb_session_unref(session);
	return r < 0 ? 1 : 0;
}
