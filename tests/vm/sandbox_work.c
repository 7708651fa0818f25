/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server does in the sandbox: every request goes through the passthrough driver over a
 * loopback, and its threads and messages work.
 */
#include "sandbox_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/passthrough.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "node_client.h"

#define OTHER_ID 1000
#define DESCRIPTORS 500

/* Leave the function with the errno of a step that failed. */
#define STEP(call)                                                                                 \
	do {                                                                                       \
		int64_t step_result = (call);                                                      \
		if (step_result < 0)                                                               \
			return (int)-step_result;                                                  \
	} while (0)

static struct share_client client;
static unsigned serial;

/* ---- a session ------------------------------------------------------------------------------------- */

static int begin(const struct scene *scene, enum fb_switch locks)
{
	struct fb_conn conn = { .size = sizeof(conn) };
	struct fb_passthrough_options options = {
		.size = sizeof(options),
		.handles = scene->handles ? FB_HANDLES_PREFER : FB_HANDLES_NEVER,
		.max_descriptors = DESCRIPTORS,
		.proc_fd = scene->confined_proc ? scene->proc_fd : 0,
		.set_inode_flags = true,
		.posix_lock = locks,
		.flock = locks,
	};

	umask(0);
	client = (struct share_client){ .uid = geteuid(), .gid = getegid(), .pid = 1 };
	STEP(fb_passthrough_new(scene->source, &options, &client.driver));
	STEP(fb_session_new(fb_passthrough_ops(client.driver), client.driver, NULL,
			    &client.session));
	STEP(fb_loopback_new(client.session, NULL, &client.loopback));
	fb_session_conn(client.session, &conn);
	client.granted = conn.wanted;
	return 0;
}

static int end(int result)
{
	fb_loopback_free(client.loopback);
	fb_session_unref(client.session);
	fb_passthrough_free(client.driver);
	return result;
}

/* A file whose name no scene before has used. */
static int make_file(struct fb_wire_create_out *ret_created, char name[static 64])
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(name, 64, "work-%lld-%ld-%u", (long long)now.tv_sec, now.tv_nsec, ++serial);
	return share_create(&client, FB_ROOT_NODE, name, 0644, O_RDWR, ret_created);
}

/* ---- files ------------------------------------------------------------------------------------------- */

static int use_file(void)
{
	struct fb_wire_create_out file;
	struct fb_wire_copy_file_range_in copy = { .off_out = 4096, .len = 5 };
	char name[64], got[16];
	uint64_t node, fh;

	STEP(make_file(&file, name));
	node = file.entry.nodeid;
	fh = file.open.fh;
	STEP(share_write(&client, node, fh, "words", 5, 0, O_RDWR, 0));
	STEP(share_read(&client, node, fh, got, sizeof(got), 0, O_RDWR));
	if (memcmp(got, "words", 5) != 0)
		return EIO;
	copy.fh_in = copy.fh_out = fh;
	copy.nodeid_out = node;
	STEP(share_copy(&client, &copy, node));
	STEP(share_seek(&client, node, fh, 0, SEEK_DATA));
	STEP(share_fallocate(&client, node, fh, 0, 0, 8192));
	STEP(share_fsync(&client, FB_OP_FSYNC, node, fh, 0));
	STEP(share_fsync(&client, FB_OP_FSYNC, node, fh, FB_FSYNC_DATASYNC));
	STEP(share_flush(&client, node, fh, 1));
	return (int)-share_release(&client, node, fh, 0);
}

static int work_file(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_file());
}

static int use_names(void)
{
	struct fb_wire_create_out file;
	struct fb_wire_entry_out entry, dir;
	char name[64], other[70], target[64];

	STEP(make_file(&file, name));
	snprintf(other, sizeof(other), "%s-2", name);
	STEP(node_rename(&client, FB_ROOT_NODE, name, FB_ROOT_NODE, other, 0));
	STEP(node_link(&client, file.entry.nodeid, FB_ROOT_NODE, name, &entry));
	STEP(node_rename(&client, FB_ROOT_NODE, name, FB_ROOT_NODE, other, RENAME_EXCHANGE));
	STEP(node_unlink(&client, FB_ROOT_NODE, other));
	STEP(node_symlink(&client, FB_ROOT_NODE, other, "/etc/passwd", &entry));
	STEP(node_readlink(&client, entry.nodeid, target, sizeof(target)));
	STEP(node_unlink(&client, FB_ROOT_NODE, other));
	STEP(node_mkdir(&client, FB_ROOT_NODE, other, 0755, &dir));
	STEP(node_mknod(&client, dir.nodeid, "fifo", S_IFIFO | 0644, 0, &entry));
	STEP(node_unlink(&client, dir.nodeid, "fifo"));
	STEP(node_rmdir(&client, FB_ROOT_NODE, other));
	return 0;
}

static int work_names(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_names());
}

static int use_attributes(void)
{
	struct fb_wire_setattr_in set = {
		.valid = FB_SETATTR_MODE | FB_SETATTR_UID | FB_SETATTR_GID | FB_SETATTR_SIZE |
			 FB_SETATTR_ATIME_NOW | FB_SETATTR_MTIME | FB_SETATTR_ATIME,
		.mode = 0600,
		.uid = client.uid,
		.gid = client.gid,
		.size = 100,
	};
	struct fb_wire_create_out file;
	struct fb_wire_attr_out attr;
	struct fb_wire_statfs_out statfs;
	struct fb_wire_statx_out statx;
	char name[64];
	uint64_t node;

	STEP(make_file(&file, name));
	node = file.entry.nodeid;
	STEP(node_setattr(&client, node, &set, &attr));
	STEP(node_getattr(&client, node, &attr));
	STEP(node_statx(&client, node, 0x7ff, &statx));
	STEP(node_statfs(&client, node, &statfs));
	STEP(node_access(&client, node, R_OK | W_OK));
	return -node_syncfs(&client, FB_ROOT_NODE);
}

static int work_attributes(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_attributes());
}

/* The file is looked up only by name, so that it is opened through its path in proc. */
static int use_xattrs(void)
{
	struct fb_wire_create_out file;
	char name[64], got[32];
	uint64_t node;

	STEP(make_file(&file, name));
	node = file.entry.nodeid;
	STEP(share_set_xattr(&client, node, "user.probe", "value", 5, 0));
	STEP(share_get_xattr(&client, node, "user.probe", got, sizeof(got)));
	STEP(share_list_xattr(&client, node, got, sizeof(got)));
	return -share_remove_xattr(&client, node, "user.probe");
}

static int work_xattrs(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_xattrs());
}

static int use_locks(void)
{
	struct share_lock lock = { .owner = 1, .end = INT64_MAX, .type = F_WRLCK, .pid = 1 };
	struct fb_wire_create_out created;
	struct fb_wire_lk_out found;
	struct share_file file;
	char name[64];
	uint64_t ticket;

	STEP(make_file(&created, name));
	file = (struct share_file){ .node = created.entry.nodeid, .fh = created.open.fh };
	STEP(share_lock(&client, FB_OP_SETLK, &file, &lock, NULL));
	lock.owner = 2;
	STEP(share_lock(&client, FB_OP_GETLK, &file, &lock, &found));
	/* This one waits for the first, in the thread for that. */
	ticket = share_lock_submit(&client, &file, &lock);
	lock.owner = 1;
	lock.type = F_UNLCK;
	STEP(share_lock(&client, FB_OP_SETLK, &file, &lock, NULL));
	STEP(share_receive(&client, ticket, NULL, 0, 5000));
	lock.type = F_WRLCK;
	lock.flags = FB_LK_FLOCK;
	return -share_lock(&client, FB_OP_SETLK, &file, &lock, NULL);
}

static int work_locks(const struct scene *scene)
{
	STEP(-begin(scene, FB_ON));
	return end(use_locks());
}

static int use_directory(void)
{
	char list[8192];
	uint64_t fh;

	STEP(share_open_dir(&client, FB_ROOT_NODE, O_RDONLY, &fh));
	STEP(share_list(&client, FB_OP_READDIR, FB_ROOT_NODE, fh, 0, list, sizeof(list)));
	STEP(share_list(&client, FB_OP_READDIRPLUS, FB_ROOT_NODE, fh, 0, list, sizeof(list)));
	return -share_release_dir(&client, FB_ROOT_NODE, fh);
}

static int work_directory(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_directory());
}

static int use_ioctl(void)
{
	struct fb_wire_ioctl_in call = { .cmd = (uint32_t)FS_IOC_GETFLAGS, .out_size = 4 };
	struct fb_wire_create_out file;
	char name[64];
	int flags = 0, result;

	STEP(make_file(&file, name));
	call.fh = file.open.fh;
	result = share_ioctl(&client, file.entry.nodeid, &call, NULL, &flags);
	if (result == -ENOTTY || result == -EOPNOTSUPP)
		return 0; /* the file system has none: it has been asked */
	STEP(result);
	call = (struct fb_wire_ioctl_in){ .fh = call.fh,
					  .cmd = (uint32_t)FS_IOC_SETFLAGS,
					  .in_size = 4 };
	return -share_ioctl(&client, file.entry.nodeid, &call, &flags, NULL);
}

static int work_ioctl(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(use_ioctl());
}

/* Files that no descriptor is kept for: by their handles, where those are used. */
static int use_many(void)
{
	struct fb_wire_open_out open;
	uint64_t nodes[2 * DESCRIPTORS];
	char name[64];

	for (unsigned i = 0; i < 2 * DESCRIPTORS; i++) {
		struct fb_wire_create_out file;

		STEP(make_file(&file, name));
		nodes[i] = file.entry.nodeid;
		STEP(share_release(&client, nodes[i], file.open.fh, 0));
	}
	for (unsigned i = 0; i < 2 * DESCRIPTORS; i += 50) {
		STEP(share_open_file(&client, nodes[i], O_RDWR, 0, &open));
		STEP(share_release(&client, nodes[i], open.fh, 0));
	}
	return 0;
}

static int work_handles(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(scene->handles && scene->root ? use_many() : 0);
}

/* As another user of the guest; only a server that is root, of all ids, can. */
static int use_caller(void)
{
	struct fb_wire_create_out file;
	struct fb_wire_entry_out dir;
	char name[64];

	STEP(make_file(&file, name));
	strcat(name, "d");
	STEP(node_mkdir(&client, FB_ROOT_NODE, name, 0777, &dir));
	client.uid = client.gid = OTHER_ID;
	STEP(share_create(&client, dir.nodeid, "file", 04755, O_RDWR, &file));
	STEP(share_write(&client, file.entry.nodeid, file.open.fh, "x", 1, 0, O_RDWR,
			 FB_WRITE_KILL_SUIDGID));
	STEP(share_tmpfile(&client, dir.nodeid, 0600, O_RDWR, &file));
	return file.entry.attr.uid == OTHER_ID && file.entry.attr.gid == OTHER_ID ? 0 : EPERM;
}

/* Without that user in the sandbox, its files can not be made. */
static int use_foreign(void)
{
	struct fb_wire_entry_out dir;
	int result;

	client.uid = client.gid = OTHER_ID;
	result = node_mkdir(&client, FB_ROOT_NODE, "foreign", 0777, &dir);
	return result == -EPERM ? 0 : result < 0 ? -result : EEXIST;
}

static bool all_ids(void)
{
	const uid_t same = (uid_t)-1;

	return geteuid() == 0 && setresuid(same, OTHER_ID, same) == 0 &&
	       setresuid(same, 0, same) == 0;
}

static int work_caller(const struct scene *scene)
{
	STEP(-begin(scene, FB_DEFAULT));
	return end(all_ids() ? use_caller() : use_foreign());
}

/* ---- the program around it ------------------------------------------------------------------------------ */

static void *run_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static int work_threads(const struct scene *scene)
{
	pthread_t thread;
	int ran = 0, error;

	(void)scene;
	error = pthread_create(&thread, NULL, run_thread, &ran);
	if (error)
		return error;
	pthread_kill(thread, 0);
	pthread_setname_np(thread, "probe");
	pthread_join(thread, NULL);
	return ran ? 0 : EIO;
}

static int work_events(const struct scene *scene)
{
	int event = eventfd(0, EFD_CLOEXEC), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event wanted = { .events = EPOLLIN }, got;

	(void)scene;
	if (event < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) < 0)
		return errno;
	if (eventfd_write(event, 1) < 0 || epoll_wait(epoll, &got, 1, 1000) != 1)
		return EIO;
	usleep(1);
	return 0;
}

static int work_memory(const struct scene *scene)
{
	char *small = malloc(100), *large = malloc(64 << 20), *larger;

	(void)scene;
	if (!small || !large)
		return ENOMEM;
	memset(large, 1, 64 << 20);
	larger = realloc(large, 128 << 20);
	free(larger ? larger : large);
	free(small);
	return larger ? 0 : ENOMEM;
}

/* Where the log is: with the time of the zone that the process was started in. */
static int work_messages(const struct scene *scene)
{
	char text[64];
	time_t now = time(NULL);
	struct tm tm;

	(void)scene;
	syslog(LOG_INFO, "a word from the sandbox");
	if (!localtime_r(&now, &tm) || strftime(text, sizeof(text), "%c %Z", &tm) == 0)
		return EIO;
	return sysconf(_SC_NPROCESSORS_ONLN) > 0 && strerror(EIO) ? 0 : EIO;
}

static volatile sig_atomic_t got_signal;

static void note(int signal)
{
	got_signal = signal;
}

/* So that a failed assertion ends the server as such, and not by the filter. */
static int work_raise(const struct scene *scene)
{
	(void)scene;
	signal(SIGABRT, note);
	raise(SIGABRT);
	return got_signal == SIGABRT ? 0 : EIO;
}

const struct scene_row scene_works[] = {
	{ "file", work_file },
	{ "names", work_names },
	{ "attributes", work_attributes },
	{ "xattrs", work_xattrs },
	{ "locks", work_locks },
	{ "directory", work_directory },
	{ "ioctl", work_ioctl },
	{ "handles", work_handles },
	{ "caller", work_caller },
	{ "threads", work_threads },
	{ "events", work_events },
	{ "memory", work_memory },
	{ "messages", work_messages },
	{ "raise", work_raise },
};
const size_t scene_work_count = sizeof(scene_works) / sizeof(scene_works[0]);
