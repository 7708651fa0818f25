/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_client.h"

#include "cmocka_setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_MAX (2u << 20)

static struct iovec piece(const void *data, size_t size)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
}

static struct iovec name_piece(const char *name)
{
	return piece(name, strlen(name) + 1);
}

/* ---- the share ------------------------------------------------------------------------------------ */

static void connect_client(struct share_client *client,
			   const struct fb_passthrough_options *options,
			   const struct fb_loopback_options *loopback)
{
	struct fb_conn conn = { .size = sizeof(conn) };
	int result = fb_passthrough_new(client->dir, options, &client->driver);

	if (result < 0)
		fail_msg("fb_passthrough_new: %d: %s", result, fb_last_error());
	assert_int_equal(fb_session_new(fb_passthrough_ops(client->driver), client->driver, NULL,
					&client->session),
			 0);
	result = fb_loopback_new(client->session, loopback, &client->loopback);
	if (result < 0)
		fail_msg("fb_loopback_new: %d: %s", result, fb_last_error());
	fb_session_conn(client->session, &conn);
	client->granted = conn.wanted;
}

void share_open(struct share_client *client, const struct fb_passthrough_options *options,
		const struct fb_loopback_options *loopback)
{
	*client = (struct share_client){
		.dir = "/tmp/fb-share-XXXXXX",
		.uid = geteuid(),
		.gid = getegid(),
		.pid = 1,
	};
	assert_non_null(mkdtemp(client->dir));
	assert_int_equal(chmod(client->dir, 0777), 0);
	connect_client(client, options, loopback);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	return remove(path);
}

void share_remove_tree(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void share_close(struct share_client *client)
{
	fb_loopback_free(client->loopback);
	fb_session_unref(client->session);
	fb_passthrough_free(client->driver);
	share_remove_tree(client->dir);
}

const char *share_path(const struct share_client *client, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", client->dir, name);
	return path;
}

void share_make(const struct share_client *client, const char *name, const char *content,
		unsigned mode)
{
	int fd = open(share_path(client, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void share_expect(const struct share_client *client, const char *name, const char *content)
{
	char got[4096];
	int fd = open(share_path(client, name), O_RDONLY | O_CLOEXEC);
	ssize_t size;

	assert_true(fd >= 0);
	size = read(fd, got, sizeof(got));
	close(fd);
	assert_int_equal(size, strlen(content));
	assert_memory_equal(got, content, strlen(content));
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

unsigned share_descriptors(void)
{
	unsigned least = count_descriptors();

	for (unsigned i = 0; i < 10; i++) {
		unsigned count;

		usleep(1000);
		count = count_descriptors();
		if (count < least)
			least = count;
	}
	return least;
}

/* ---- messages ------------------------------------------------------------------------------------- */

static size_t put_message(struct share_client *client, uint32_t opcode, uint64_t node,
			  const struct iovec *pieces, size_t count, uint8_t *message)
{
	struct fb_wire_in_header header = {
		.opcode = opcode,
		.unique = client->unique += 2,
		.nodeid = node,
		.uid = client->uid,
		.gid = client->gid,
		.pid = client->pid,
	};
	size_t size = sizeof(header);

	for (size_t i = 0; i < count; i++) {
		if (pieces[i].iov_len == 0)
			continue;
		assert_true(size + pieces[i].iov_len <= MESSAGE_MAX);
		memcpy(message + size, pieces[i].iov_base, pieces[i].iov_len);
		size += pieces[i].iov_len;
	}
	header.len = (uint32_t)size;
	memcpy(message, &header, sizeof(header));
	return size;
}

/* Take the answer apart. Returns the size of its body, or its error. */
static ssize_t take_answer(const uint8_t *answer, ssize_t got, void *body, size_t size)
{
	struct fb_wire_out_header header;

	if (got <= 0)
		return got;
	assert_true((size_t)got >= sizeof(header));
	memcpy(&header, answer, sizeof(header));
	assert_int_equal(header.len, got);
	if (header.error != 0)
		return header.error;
	got -= (ssize_t)sizeof(header);
	assert_true((size_t)got <= size);
	if (got > 0 && body)
		memcpy(body, answer + sizeof(header), (size_t)got);
	return got;
}

ssize_t share_call(struct share_client *client, uint32_t opcode, uint64_t node,
		   const struct iovec *pieces, size_t count, void *body, size_t size)
{
	uint8_t *message = malloc(MESSAGE_MAX), *answer = malloc(size + 256);
	size_t message_size = put_message(client, opcode, node, pieces, count, message);
	ssize_t got;

	got = fb_loopback_send(client->loopback, message, message_size, answer, size + 256);
	got = take_answer(answer, got, body, size);
	free(message);
	free(answer);
	return got;
}

uint64_t share_submit(struct share_client *client, uint32_t opcode, uint64_t node,
		      const struct iovec *pieces, size_t count)
{
	uint8_t *message = malloc(MESSAGE_MAX);
	size_t size = put_message(client, opcode, node, pieces, count, message);
	uint64_t ticket;

	assert_int_equal(fb_loopback_submit(client->loopback, message, size, &ticket), 0);
	free(message);
	return ticket;
}

ssize_t share_receive(struct share_client *client, uint64_t ticket, void *body, size_t size,
		      int timeout_ms)
{
	uint8_t answer[4096];
	ssize_t got =
		fb_loopback_receive(client->loopback, ticket, answer, sizeof(answer), timeout_ms);

	return take_answer(answer, got, body, size);
}

/* One struct, one name, one answer of a fixed size. */
static int call_fixed(struct share_client *client, uint32_t opcode, uint64_t node, struct iovec in,
		      struct iovec name, struct iovec out)
{
	const struct iovec pieces[] = { in, name };
	ssize_t got = share_call(client, opcode, node, pieces, 2, out.iov_base, out.iov_len);

	if (got < 0)
		return (int)got;
	assert_int_equal(got, out.iov_len);
	return 0;
}

static const struct iovec nothing;

/* ---- requests ------------------------------------------------------------------------------------- */

int share_lookup(struct share_client *client, uint64_t parent, const char *name,
		 struct fb_wire_entry_out *ret_entry)
{
	return call_fixed(client, FB_OP_LOOKUP, parent, nothing, name_piece(name),
			  piece(ret_entry, sizeof(*ret_entry)));
}

void share_forget(struct share_client *client, uint64_t node, uint64_t count)
{
	const struct fb_wire_forget_in in = { .nlookup = count };

	assert_int_equal(
		call_fixed(client, FB_OP_FORGET, node, piece(&in, sizeof(in)), nothing, nothing),
		0);
}

int share_open_file(struct share_client *client, uint64_t node, int flags, uint32_t open_flags,
		    struct fb_wire_open_out *ret_open)
{
	const struct fb_wire_open_in in = { .flags = (uint32_t)flags, .open_flags = open_flags };

	return call_fixed(client, FB_OP_OPEN, node, piece(&in, sizeof(in)), nothing,
			  piece(ret_open, sizeof(*ret_open)));
}

int share_open_dir(struct share_client *client, uint64_t node, int flags, uint64_t *ret_fh)
{
	const struct fb_wire_open_in in = { .flags = (uint32_t)flags };
	struct fb_wire_open_out out = { 0 };
	int result = call_fixed(client, FB_OP_OPENDIR, node, piece(&in, sizeof(in)), nothing,
				piece(&out, sizeof(out)));

	if (result == 0)
		*ret_fh = out.fh;
	return result;
}

int share_create(struct share_client *client, uint64_t parent, const char *name, uint32_t mode,
		 int flags, struct fb_wire_create_out *ret_created)
{
	const struct fb_wire_create_in in = { .flags = (uint32_t)flags | O_CREAT,
					      .mode = mode | S_IFREG };

	return call_fixed(client, FB_OP_CREATE, parent, piece(&in, sizeof(in)), name_piece(name),
			  piece(ret_created, sizeof(*ret_created)));
}

int share_tmpfile(struct share_client *client, uint64_t parent, uint32_t mode, int flags,
		  struct fb_wire_create_out *ret_created)
{
	const struct fb_wire_create_in in = { .flags = (uint32_t)flags | O_TMPFILE,
					      .mode = mode | S_IFREG };

	return call_fixed(client, FB_OP_TMPFILE, parent, piece(&in, sizeof(in)), name_piece("/"),
			  piece(ret_created, sizeof(*ret_created)));
}

ssize_t share_read(struct share_client *client, uint64_t node, uint64_t fh, void *to, uint32_t size,
		   uint64_t off, int flags)
{
	const struct fb_wire_read_in in = {
		.fh = fh,
		.offset = off,
		.size = size,
		.flags = (uint32_t)flags,
	};
	const struct iovec pieces[] = { piece(&in, sizeof(in)) };

	return share_call(client, FB_OP_READ, node, pieces, 1, to, size);
}

ssize_t share_write(struct share_client *client, uint64_t node, uint64_t fh, const void *from,
		    uint32_t size, uint64_t off, int flags, uint32_t write_flags)
{
	const struct fb_wire_write_in in = {
		.fh = fh,
		.offset = off,
		.size = size,
		.write_flags = write_flags,
		.flags = (uint32_t)flags,
	};
	struct fb_wire_write_out out = { 0 };
	int result = call_fixed(client, FB_OP_WRITE, node, piece(&in, sizeof(in)),
				piece(from, size), piece(&out, sizeof(out)));

	return result < 0 ? result : (ssize_t)out.size;
}

int share_flush(struct share_client *client, uint64_t node, uint64_t fh, uint64_t owner)
{
	const struct fb_wire_flush_in in = { .fh = fh, .lock_owner = owner };

	return call_fixed(client, FB_OP_FLUSH, node, piece(&in, sizeof(in)), nothing, nothing);
}

int share_release(struct share_client *client, uint64_t node, uint64_t fh, uint32_t flags)
{
	const struct fb_wire_release_in in = { .fh = fh, .release_flags = flags };

	return call_fixed(client, FB_OP_RELEASE, node, piece(&in, sizeof(in)), nothing, nothing);
}

int share_release_dir(struct share_client *client, uint64_t node, uint64_t fh)
{
	const struct fb_wire_release_in in = { .fh = fh };

	return call_fixed(client, FB_OP_RELEASEDIR, node, piece(&in, sizeof(in)), nothing, nothing);
}

int share_fsync(struct share_client *client, uint32_t opcode, uint64_t node, uint64_t fh,
		uint32_t flags)
{
	const struct fb_wire_fsync_in in = { .fh = fh, .fsync_flags = flags };

	return call_fixed(client, opcode, node, piece(&in, sizeof(in)), nothing, nothing);
}

int share_fallocate(struct share_client *client, uint64_t node, uint64_t fh, uint32_t mode,
		    uint64_t off, uint64_t len)
{
	const struct fb_wire_fallocate_in in = {
		.fh = fh, .offset = off, .length = len, .mode = mode
	};

	return call_fixed(client, FB_OP_FALLOCATE, node, piece(&in, sizeof(in)), nothing, nothing);
}

int64_t share_seek(struct share_client *client, uint64_t node, uint64_t fh, uint64_t off,
		   uint32_t whence)
{
	const struct fb_wire_lseek_in in = { .fh = fh, .offset = off, .whence = whence };
	struct fb_wire_lseek_out out = { 0 };
	int result = call_fixed(client, FB_OP_LSEEK, node, piece(&in, sizeof(in)), nothing,
				piece(&out, sizeof(out)));

	return result < 0 ? result : (int64_t)out.offset;
}

int64_t share_copy(struct share_client *client, const struct fb_wire_copy_file_range_in *copy,
		   uint64_t node_in)
{
	struct fb_wire_write_out out = { 0 };
	int result = call_fixed(client, FB_OP_COPY_FILE_RANGE, node_in, piece(copy, sizeof(*copy)),
				nothing, piece(&out, sizeof(out)));

	return result < 0 ? result : (int64_t)out.size;
}

ssize_t share_list(struct share_client *client, uint32_t opcode, uint64_t node, uint64_t fh,
		   uint64_t cookie, void *to, uint32_t size)
{
	const struct fb_wire_read_in in = { .fh = fh, .offset = cookie, .size = size };
	const struct iovec pieces[] = { piece(&in, sizeof(in)) };

	return share_call(client, opcode, node, pieces, 1, to, size);
}

int share_set_xattr(struct share_client *client, uint64_t node, const char *name, const void *value,
		    uint32_t size, uint32_t flags)
{
	const struct fb_wire_setxattr_in in = {
		.size = size,
		.flags = flags & (FB_XATTR_CREATE | FB_XATTR_REPLACE),
		.setxattr_flags = flags & FB_XATTR_ACL_KILL_SGID ? FB_SETXATTR_ACL_KILL_SGID : 0,
	};
	const struct iovec pieces[] = {
		piece(&in, client->granted & FB_INIT_SETXATTR_EXT ? sizeof(in) :
								    FB_WIRE_SETXATTR_IN_SHORT),
		name_piece(name),
		piece(value, size),
	};

	return (int)share_call(client, FB_OP_SETXATTR, node, pieces, 3, NULL, 0);
}

/* Size 0 asks for the length. */
static ssize_t ask_xattr(struct share_client *client, uint32_t opcode, uint64_t node,
			 struct iovec name, void *to, uint32_t size)
{
	const struct fb_wire_getxattr_in in = { .size = size };
	const struct iovec pieces[] = { piece(&in, sizeof(in)), name };
	struct fb_wire_getxattr_out out = { 0 };
	ssize_t got = share_call(client, opcode, node, pieces, 2, size > 0 ? to : &out,
				 size > 0 ? size : sizeof(out));

	return got >= 0 && size == 0 ? (ssize_t)out.size : got;
}

ssize_t share_get_xattr(struct share_client *client, uint64_t node, const char *name, void *to,
			uint32_t size)
{
	return ask_xattr(client, FB_OP_GETXATTR, node, name_piece(name), to, size);
}

ssize_t share_list_xattr(struct share_client *client, uint64_t node, void *to, uint32_t size)
{
	return ask_xattr(client, FB_OP_LISTXATTR, node, nothing, to, size);
}

int share_remove_xattr(struct share_client *client, uint64_t node, const char *name)
{
	return call_fixed(client, FB_OP_REMOVEXATTR, node, nothing, name_piece(name), nothing);
}

int share_ioctl(struct share_client *client, uint64_t node, const struct fb_wire_ioctl_in *call,
		const void *in, void *out)
{
	uint8_t body[sizeof(struct fb_wire_ioctl_out) + 512];
	const struct iovec pieces[] = { piece(call, sizeof(*call)), piece(in, call->in_size) };
	ssize_t got = share_call(client, FB_OP_IOCTL, node, pieces, 2, body, sizeof(body));
	struct fb_wire_ioctl_out head;

	if (got < 0)
		return (int)got;
	assert_true((size_t)got >= sizeof(head));
	memcpy(&head, body, sizeof(head));
	got -= (ssize_t)sizeof(head);
	assert_true((size_t)got <= call->out_size);
	if (got > 0)
		memcpy(out, body + sizeof(head), (size_t)got);
	return head.result < 0 ? head.result : (int)got;
}

struct share_file share_open_name(struct share_client *client, const char *name, int flags)
{
	struct fb_wire_entry_out entry = { 0 };
	struct fb_wire_open_out open = { 0 };

	assert_int_equal(share_lookup(client, FB_ROOT_NODE, name, &entry), 0);
	assert_int_equal(share_open_file(client, entry.nodeid, flags, 0, &open), 0);
	return (struct share_file){ .node = entry.nodeid, .fh = open.fh, .flags = open.open_flags };
}

/* ---- locks ---------------------------------------------------------------------------------------- */

static struct fb_wire_lk_in lk_in(const struct share_file *file, const struct share_lock *lock)
{
	return (struct fb_wire_lk_in){
		.fh = file->fh,
		.owner = lock->owner,
		.lk = { lock->start, lock->end, lock->type, lock->pid },
		.lk_flags = lock->flags,
	};
}

int share_lock(struct share_client *client, uint32_t which, const struct share_file *file,
	       const struct share_lock *lock, struct fb_wire_lk_out *ret_found)
{
	const struct fb_wire_lk_in in = lk_in(file, lock);

	return call_fixed(client, which, file->node, piece(&in, sizeof(in)), nothing,
			  ret_found ? piece(ret_found, sizeof(*ret_found)) : nothing);
}

uint64_t share_lock_submit(struct share_client *client, const struct share_file *file,
			   const struct share_lock *lock)
{
	const struct fb_wire_lk_in in = lk_in(file, lock);
	const struct iovec pieces[] = { piece(&in, sizeof(in)) };

	return share_submit(client, FB_OP_SETLKW, file->node, pieces, 1);
}

void share_interrupt(struct share_client *client, uint64_t unique)
{
	const struct fb_wire_interrupt_in in = { .unique = unique };
	const struct iovec pieces[] = { piece(&in, sizeof(in)) };

	share_call(client, FB_OP_INTERRUPT, 0, pieces, 1, NULL, 0);
}
