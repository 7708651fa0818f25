/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server for test_transport.py: every mountpoint gets a file system of its own with one file in
 * memory. Says "serving" once all answer, then what became of each. Some ways of the kernel can be
 * taken away, to see the others at work; and this program can serve with threads or a loop of its own.
 */
#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server.h"

#define FILE_NODE 2
#define FILE_MAX (8u << 20)
#define MOUNTS_MAX 8
#define OWN_MAX 8
#define IOC_CLONE _IOR(229, 0, uint32_t)

struct memory {
	pthread_mutex_t lock;
	size_t size;
	uint8_t bytes[FILE_MAX];
};

static bool root_is_file, writeback, hang_writes, hold_reads, gives;
static atomic_uint given, released;
/* Of our own: threads in fb_session_work(), an event loop, one that leaves as soon as it is to stop. */
static unsigned own_threads, loop_most;
static bool loop, loop_quits;
static pthread_t own[MOUNTS_MAX][OWN_MAX];
static atomic_bool stopped;
static useconds_t write_delay_us, lookup_delay_us;
static struct fb_session_options session_options = { .size = sizeof(session_options) };
static struct memory memories[MOUNTS_MAX];
static struct fb_session *sessions[MOUNTS_MAX];

static void fill_attr(struct memory *memory, uint64_t node, struct fb_attr *ret_attr)
{
	bool file = node == FILE_NODE || root_is_file;

	pthread_mutex_lock(&memory->lock);
	*ret_attr = (struct fb_attr){
		.ino = node,
		.mode = file ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
		.size = file ? memory->size : 0,
		.blksize = 4096,
	};
	pthread_mutex_unlock(&memory->lock);
}

static int do_init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	(void)self;
	(void)session;
	if (writeback)
		conn->wanted |= FB_INIT_WRITEBACK_CACHE;
	return 0;
}

static int do_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     struct fb_entry *ret_entry)
{
	(void)req;
	(void)parent;
	usleep(lookup_delay_us);
	if (strcmp(name, "file") != 0)
		return -ENOENT;
	ret_entry->node = FILE_NODE;
	fill_attr(self, FILE_NODE, &ret_entry->attr);
	return 0;
}

static int do_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      struct fb_attr_reply *ret_attr)
{
	(void)req;
	(void)fh;
	fill_attr(self, node, &ret_attr->attr);
	return 0;
}

static int do_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		      struct fb_attr_reply *ret_attr)
{
	struct memory *memory = self;

	(void)req;
	if ((set->valid & FB_SETATTR_SIZE) && set->size > FILE_MAX)
		return -EFBIG;
	pthread_mutex_lock(&memory->lock);
	if (set->valid & FB_SETATTR_SIZE)
		memory->size = set->size;
	pthread_mutex_unlock(&memory->lock);
	fill_attr(memory, node, &ret_attr->attr);
	return 0;
}

static void let_go(void *arg)
{
	(void)arg;
	atomic_fetch_add(&released, 1);
}

static int do_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t count, uint64_t off)
{
	struct memory *memory = self;
	int r = 0;

	(void)node;
	(void)fh;
	while (hold_reads && !fb_req_interrupted(req))
		usleep(1000);
	pthread_mutex_lock(&memory->lock);
	if (off < memory->size) {
		count = count < memory->size - off ? count : memory->size - off;
		given += gives;
		r = gives ? fb_sink_give(to, memory->bytes + off, count, let_go, NULL) :
			    fb_sink_put(to, memory->bytes + off, count);
	}
	pthread_mutex_unlock(&memory->lock);
	return r;
}

static int do_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    struct fb_source *from, size_t count, uint64_t off)
{
	struct memory *memory = self;

	(void)req;
	(void)node;
	(void)fh;
	while (hang_writes)
		pause();
	usleep(write_delay_us);
	if (off > FILE_MAX || count > FILE_MAX - off)
		return -EFBIG;
	pthread_mutex_lock(&memory->lock);
	count = fb_source_copy(from, memory->bytes + off, count);
	if (memory->size < off + count)
		memory->size = off + count;
	pthread_mutex_unlock(&memory->lock);
	return (int)count;
}

static int do_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
		      struct fb_dirsink *to)
{
	const struct fb_dirent entry = {
		.ino = FILE_NODE, .cookie = 1, .type = 8 /* DT_REG */, .name = "file", .name_len = 4
	};

	(void)self;
	(void)req;
	(void)node;
	(void)fh;
	return cookie == 0 ? fb_dirsink_add(to, &entry, NULL) : 0;
}

static const struct fb_driver_ops ops = {
	.size = sizeof(ops),
	.init = do_init,
	.lookup = do_lookup,
	.forget = server_forget,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.read = do_read,
	.write = do_write,
	.readdir = do_readdir,
};

/* IORING_REGISTER_ENABLE_RINGS, with which a ring begins that was set up before. */
#define ENABLE_RINGS 12

/* Have a system call fail, or an ioctl with this number. */
static void forbid(int call, uint32_t number, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, number ? 1 : 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("seccomp");
		exit(2);
	}
}

static void stop_all(int signal)
{
	(void)signal;
	stopped = true;
	for (int i = 0; i < MOUNTS_MAX; i++)
		if (sessions[i])
			fb_session_stop(sessions[i]);
}

static void *work(void *arg)
{
	int r = fb_session_work(arg);

	if (r < 0)
		printf("a thread failed: %s\n", fb_last_error());
	return NULL;
}

static void *run_loop(void *arg)
{
	struct pollfd fd = { .events = POLLIN };
	unsigned turns = 0, most = 0;
	int r = fb_session_ready_fd(arg, &fd.fd);

	if (r < 0) {
		printf("no loop: %s\n", fb_last_error());
		fb_session_stop(arg);
		return NULL;
	}
	while (r >= 0 && !(stopped && loop_quits)) {
		if (poll(&fd, 1, -1) < 0)
			continue;
		r = fb_session_work_ready(arg, loop_most);
		turns++;
		most = r > (int)most ? (unsigned)r : most;
	}
	printf("loop ended: result %d, %u turns, at most %u\n", r, turns, most);
	return NULL;
}

/* Serve with threads of this program. Returns 0 or -1. */
static int serve_ourselves(int i, const char *mountpoint, const struct fb_mount_options *options)
{
	struct fb_session *session;

	session_options.own_threads = true;
	if (fb_session_new(&ops, &memories[i], &session_options, &sessions[i]) < 0 ||
	    fb_mount(sessions[i], mountpoint, options) < 0 || fb_session_start(sessions[i]) < 0) {
		printf("failed: %s\n", fb_last_error());
		return -1;
	}
	session = sessions[i];
	for (unsigned n = 0; n < own_threads + loop; n++)
		if (pthread_create(&own[i][n], NULL, n < own_threads ? work : run_loop, session))
			return -1;
	if (own_threads + loop > 0 && fb_session_wait_ready(session, SERVER_READY_MS) < 0) {
		printf("failed: %s\n", fb_last_error());
		return -1;
	}
	return 0;
}

static int serve(int i, const char *mountpoint, const struct fb_mount_options *options)
{
	pthread_mutex_init(&memories[i].lock, NULL);
	if (session_options.own_threads)
		return serve_ourselves(i, mountpoint, options);
	return server_serve(&ops, &memories[i], &session_options, mountpoint, options,
			    &sessions[i]);
}

static void join_own(int i)
{
	for (unsigned n = 0; n < own_threads + loop && own[i][n]; n++)
		pthread_join(own[i][n], NULL);
}

/* FNV-1a over words, as test_transport.py computes it too. */
static uint64_t checksum(const struct memory *memory)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < memory->size; i += sizeof(uint64_t)) {
		size_t rest = memory->size - i;
		uint64_t word = 0;

		memcpy(&word, memory->bytes + i, rest < sizeof(word) ? rest : sizeof(word));
		sum = (sum ^ htole64(word)) * UINT64_C(0x100000001b3);
	}
	return sum;
}

static const struct option long_options[] = {
	{ "no-fsopen", no_argument, NULL, 'F' },
	{ "no-clone", no_argument, NULL, 'C' },
	{ "auto-unmount", no_argument, NULL, 'a' },
	{ "replace", no_argument, NULL, 'r' },
	{ "writeback", no_argument, NULL, 'w' },
	{ "hang-writes", no_argument, NULL, 'h' },
	{ "write-delay", required_argument, NULL, 'd' },
	{ "file-root", no_argument, NULL, 'f' },
	{ "options", required_argument, NULL, 'o' },
	{ "hold-reads", no_argument, NULL, 'R' },
	{ "workers", required_argument, NULL, 'W' },
	{ "max-workers", required_argument, NULL, 'M' },
	{ "lookup-delay", required_argument, NULL, 'l' },
	{ "max-write", required_argument, NULL, 's' },
	{ "own-threads", required_argument, NULL, 'T' },
	{ "loop", required_argument, NULL, 'L' },
	{ "loop-quits", no_argument, NULL, 'Q' },
	{ "give", no_argument, NULL, 'G' },
	{ "no-io-uring", required_argument, NULL, 'U' },
	{ "no-ring-starts", no_argument, NULL, 'S' },
	{ 0 },
};

static void forbid_io_uring(const char *error)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {
		{ "EPERM", EPERM },
		{ "ENOSYS", ENOSYS },
		{ "ENOMEM", ENOMEM },
		{ "EMFILE", EMFILE },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(error, errors[i].name) == 0)
			forbid(SYS_io_uring_setup, 0, errors[i].number);
}

static void parse_own(int c)
{
	session_options.own_threads = true;
	switch (c) {
	case 'T':
		own_threads = (unsigned)atoi(optarg);
		break;
	case 'L':
		loop = true;
		loop_most = (unsigned)atoi(optarg);
		break;
	case 'Q':
		loop_quits = true;
		break;
	case 'G':
		gives = true;
		session_options.own_threads = loop || own_threads > 0;
		break;
	default:
		exit(2);
	}
	if (own_threads + loop > OWN_MAX)
		exit(2);
}

static void parse(int argc, char **argv, struct fb_mount_options *options)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'F':
			forbid(SYS_fsopen, 0, ENOSYS);
			break;
		case 'C':
			forbid(SYS_ioctl, (uint32_t)IOC_CLONE, ENOTTY);
			break;
		case 'a':
			options->auto_unmount = true;
			break;
		case 'r':
			options->replace_stale = true;
			break;
		case 'w':
			writeback = true;
			break;
		case 'h':
			hang_writes = true;
			break;
		case 'd':
			write_delay_us = (useconds_t)atoi(optarg);
			break;
		case 'f':
			root_is_file = true;
			break;
		case 'l':
			lookup_delay_us = (useconds_t)atoi(optarg);
			break;
		case 's':
			session_options.max_write = (uint32_t)atoi(optarg);
			break;
		case 'R':
			hold_reads = true;
			break;
		case 'W':
			session_options.workers = (unsigned)atoi(optarg);
			break;
		case 'M':
			session_options.max_workers = (unsigned)atoi(optarg);
			break;
		case 'o':
			options->options = optarg;
			break;
		case 'S':
			forbid(SYS_io_uring_register, ENABLE_RINGS, ENOMEM);
			break;
		case 'U':
			forbid_io_uring(optarg);
			break;
		default:
			parse_own(c);
		}
	}
}

int main(int argc, char **argv)
{
	struct fb_mount_options options = server_mount_options();
	struct sigaction action = { .sa_handler = stop_all };
	int count, failed = 0;

	server_begin();
	parse(argc, argv, &options);
	count = argc - optind;
	sigaction(SIGTERM, &action, NULL);
	for (int i = 0; i < count && i < MOUNTS_MAX && !failed; i++)
		failed = serve(i, argv[optind + i], &options);
	if (!failed)
		printf("serving\n");
	for (int i = 0; i < count && i < MOUNTS_MAX; i++) {
		int r = sessions[i] && !failed ? fb_session_wait(sessions[i]) : -1;

		printf("ended %d: result %d, %zu bytes, checksum %016llx\n", i, r, memories[i].size,
		       (unsigned long long)checksum(&memories[i]));
		failed |= r < 0;
		join_own(i);
	}
	printf("given %u, released %u\n", given, released);
	for (int i = 0; i < MOUNTS_MAX; i++)
		fb_session_unref(sessions[i]);
	return failed ? 1 : 0;
}
