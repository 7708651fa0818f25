/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_driver.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const names[] = {
#define MOCK_X(op) #op,
	FB_DRIVER_OPS(MOCK_X)
#undef MOCK_X
};

/* ---- what is out ----------------------------------------------------------------------------- */

static void count(struct mock *m, struct mock_given what, int64_t change)
{
	size_t i = 0;

	while (i < m->given_count && (m->given[i].node != what.node || m->given[i].fh != what.fh ||
				      m->given[i].file != what.file || m->given[i].dir != what.dir))
		i++;
	if (i == m->given_count) {
		assert(i < MOCK_GIVEN_MAX);
		m->given[m->given_count++] = what;
		m->given[i].count = 0;
	}
	m->given[i].count += change;
	if (m->given[i].count < 0)
		m->strays++;
}

static void give(struct mock *m, const struct mock_gift *gift)
{
	struct mock_given node = { .node = gift->node };
	struct mock_given open = { gift->opened, gift->fh, gift->file, gift->dir, 0 };

	pthread_mutex_lock(&m->lock);
	if (gift->node > FB_ROOT_NODE)
		count(m, node, 1);
	if (gift->file || gift->dir)
		count(m, open, 1);
	pthread_mutex_unlock(&m->lock);
}

static int64_t out(struct mock *m, bool open)
{
	int64_t sum = 0;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->given_count; i++)
		if ((m->given[i].file || m->given[i].dir) == open)
			sum += m->given[i].count;
	pthread_mutex_unlock(&m->lock);
	return sum;
}

int64_t mock_nodes_out(struct mock *m)
{
	return out(m, false);
}

int64_t mock_files_out(struct mock *m)
{
	return out(m, true);
}

/* ---- noting calls ------------------------------------------------------------------------------ */

static void note_name(struct mock_call *call, unsigned i, const char *name)
{
	assert(!name || strlen(name) < MOCK_NAME_MAX);
	strcpy(call->names[i], name ? name : "");
}

static void note_caller(struct mock_call *call, struct fb_req *req)
{
	if (!req)
		return;
	call->caller = *fb_req_caller(req);
	assert(call->caller.group_count <= sizeof(call->groups) / sizeof(call->groups[0]));
	memcpy(call->groups, call->caller.groups,
	       call->caller.group_count * sizeof(call->groups[0]));
	call->caller.groups = call->groups;
	call->io = *fb_req_io(req);
}

static struct mock *note(void *self, enum mock_op op, struct fb_req *req, const uint64_t *numbers,
			 size_t number_count, const char *name, const char *other)
{
	struct mock *m = self;
	struct mock_call *call = &m->last;

	assert(number_count <= MOCK_NUMBERS_MAX);
	pthread_mutex_lock(&m->lock);
	m->calls[op]++;
	call->op = op;
	memset(call->numbers, 0, sizeof(call->numbers));
	memcpy(call->numbers, numbers, number_count * sizeof(*numbers));
	call->number_count = number_count;
	call->data_size = 0;
	note_name(call, 0, name);
	note_name(call, 1, other);
	note_caller(call, req);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return m;
}

/* note() with the numbers as a list; at least one. */
#define NOTE_NAMES(op, req, name, other, ...)                                                      \
	note(self, MOCK_##op, req, (const uint64_t[]){ __VA_ARGS__ },                              \
	     sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), name, other)
#define NOTE(op, req, ...) NOTE_NAMES(op, req, NULL, NULL, __VA_ARGS__)

static void note_data(struct mock *m, const void *data, size_t size)
{
	pthread_mutex_lock(&m->lock);
	if (size > MOCK_DATA_MAX)
		size = MOCK_DATA_MAX;
	if (size > 0)
		memcpy(m->last.data, data, size);
	m->last.data_size = size;
	pthread_mutex_unlock(&m->lock);
}

static void hold(struct mock *m, struct fb_req *req, struct mock_gift gift)
{
	pthread_mutex_lock(&m->lock);
	assert(m->held_count < MOCK_HELD_MAX);
	m->held[m->held_count++] = (struct mock_held){ req, gift };
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

/* The end of each operation: what it returns, and what that hands out. */
static int end(struct mock *m, enum mock_op op, struct fb_req *req, int natural,
	       struct mock_gift gift)
{
	int r = m->forced[op] ? m->results[op] : natural;

	if (m->acts[op])
		r = m->acts[op](m, op, req, r);
	else if (m->act_any)
		r = m->act_any(m, op, req, r);
	if (r == MOCK_GONE)
		return FB_PENDING;
	if (r == FB_PENDING)
		hold(m, req, gift);
	else if (r >= 0)
		give(m, &gift);
	return r;
}

static const struct mock_gift nothing;

/* ---- the operations ---------------------------------------------------------------------------- */

static int op_init(void *self, struct fb_session *session, struct fb_conn *conn)
{
	struct mock *m = NOTE(init, NULL, conn->minor);

	m->session = session;
	m->conn_seen = *conn;
	if (m->conn_change)
		m->conn_change(conn);
	return end(m, MOCK_init, NULL, 0, nothing);
}

static void op_destroy(void *self)
{
	NOTE(destroy, NULL, 0);
}

static int op_lookup(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     struct fb_entry *ret_entry)
{
	struct mock *m = NOTE_NAMES(lookup, req, name, NULL, parent);

	*ret_entry = m->entry;
	return end(m, MOCK_lookup, req, 0, (struct mock_gift){ .node = ret_entry->node });
}

static void op_forget(void *self, uint64_t node, uint64_t nlookup)
{
	struct mock *m = NOTE(forget, NULL, node, nlookup);
	struct mock_given what = { .node = node };

	pthread_mutex_lock(&m->lock);
	if (!m->client_takes)
		count(m, what, -(int64_t)nlookup);
	pthread_mutex_unlock(&m->lock);
}

static int op_getattr(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		      struct fb_attr_reply *ret_attr)
{
	struct mock *m = NOTE(getattr, req, node, fh != NULL, fh ? *fh : 0);

	*ret_attr = m->attr;
	return end(m, MOCK_getattr, req, 0, nothing);
}

static int op_statx(void *self, struct fb_req *req, uint64_t node, const uint64_t *fh,
		    uint32_t flags, uint32_t mask, struct fb_statx *ret_statx)
{
	struct mock *m = NOTE(statx, req, node, fh != NULL, fh ? *fh : 0, flags, mask);

	*ret_statx = m->statx;
	return end(m, MOCK_statx, req, 0, nothing);
}

static int op_setattr(void *self, struct fb_req *req, uint64_t node, const struct fb_setattr *set,
		      struct fb_attr_reply *ret_attr)
{
	struct mock *m = NOTE(setattr, req, node, set->valid, set->mode, set->uid, set->gid,
			      set->fh, set->size, set->lock_owner, (uint64_t)set->atime.sec,
			      set->atime.nsec, (uint64_t)set->mtime.sec, set->mtime.nsec);

	*ret_attr = m->attr;
	return end(m, MOCK_setattr, req, 0, nothing);
}

static int fill(struct mock *m, struct fb_sink *to, size_t most)
{
	size_t size = m->bytes_size < most ? m->bytes_size : most;

	return fb_sink_put(to, m->bytes, size) < 0 ? -ERANGE : (int)size;
}

static int op_readlink(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to)
{
	struct mock *m = NOTE(readlink, req, node, fb_sink_room(to));

	return end(m, MOCK_readlink, req, fill(m, to, fb_sink_room(to)), nothing);
}

static int made(struct mock *m, enum mock_op op, struct fb_req *req, struct fb_entry *ret_entry)
{
	*ret_entry = m->entry;
	return end(m, op, req, 0, (struct mock_gift){ .node = ret_entry->node });
}

static int op_symlink(void *self, struct fb_req *req, uint64_t parent, const char *name,
		      const char *target, struct fb_entry *ret_entry)
{
	return made(NOTE_NAMES(symlink, req, name, target, parent), MOCK_symlink, req, ret_entry);
}

static int op_mknod(void *self, struct fb_req *req, uint64_t parent, const char *name,
		    uint32_t mode, uint32_t rdev, struct fb_entry *ret_entry)
{
	return made(NOTE_NAMES(mknod, req, name, NULL, parent, mode, rdev), MOCK_mknod, req,
		    ret_entry);
}

static int op_mkdir(void *self, struct fb_req *req, uint64_t parent, const char *name,
		    uint32_t mode, struct fb_entry *ret_entry)
{
	return made(NOTE_NAMES(mkdir, req, name, NULL, parent, mode), MOCK_mkdir, req, ret_entry);
}

static int op_unlink(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	return end(NOTE_NAMES(unlink, req, name, NULL, parent), MOCK_unlink, req, 0, nothing);
}

static int op_rmdir(void *self, struct fb_req *req, uint64_t parent, const char *name)
{
	return end(NOTE_NAMES(rmdir, req, name, NULL, parent), MOCK_rmdir, req, 0, nothing);
}

static int op_rename(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint64_t new_parent, const char *new_name, uint32_t flags)
{
	return end(NOTE_NAMES(rename, req, name, new_name, parent, new_parent, flags), MOCK_rename,
		   req, 0, nothing);
}

static int op_link(void *self, struct fb_req *req, uint64_t node, uint64_t new_parent,
		   const char *new_name, struct fb_entry *ret_entry)
{
	return made(NOTE_NAMES(link, req, new_name, NULL, node, new_parent), MOCK_link, req,
		    ret_entry);
}

static int op_open(void *self, struct fb_req *req, uint64_t node, int flags, uint32_t open_flags,
		   struct fb_open *ret_open)
{
	struct mock *m = NOTE(open, req, node, (uint32_t)flags, open_flags);

	*ret_open = m->open;
	return end(m, MOCK_open, req, 0,
		   (struct mock_gift){ .file = true, .opened = node, .fh = ret_open->fh });
}

static int made_open(struct mock *m, enum mock_op op, struct fb_req *req,
		     struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	*ret_entry = m->entry;
	*ret_open = m->open;
	return end(
		m, op, req, 0,
		(struct mock_gift){ ret_entry->node, true, false, ret_entry->node, ret_open->fh });
}

static int op_create(void *self, struct fb_req *req, uint64_t parent, const char *name,
		     uint32_t mode, int flags, uint32_t open_flags, struct fb_entry *ret_entry,
		     struct fb_open *ret_open)
{
	return made_open(
		NOTE_NAMES(create, req, name, NULL, parent, mode, (uint32_t)flags, open_flags),
		MOCK_create, req, ret_entry, ret_open);
}

static int op_tmpfile(void *self, struct fb_req *req, uint64_t parent, uint32_t mode, int flags,
		      uint32_t open_flags, struct fb_entry *ret_entry, struct fb_open *ret_open)
{
	return made_open(NOTE(tmpfile, req, parent, mode, (uint32_t)flags, open_flags),
			 MOCK_tmpfile, req, ret_entry, ret_open);
}

static int op_read(void *self, struct fb_req *req, uint64_t node, uint64_t fh, struct fb_sink *to,
		   size_t size, uint64_t off)
{
	struct mock *m = NOTE(read, req, node, fh, size, off);

	return end(m, MOCK_read, req, fill(m, to, size), nothing);
}

static int op_write(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    struct fb_source *from, size_t size, uint64_t off)
{
	struct mock *m = NOTE(write, req, node, fh, size, off);
	size_t had = fb_source_size(from);
	void *copy = malloc(had ? had : 1);

	assert(copy && fb_source_copy(from, copy, had) == had);
	note_data(m, copy, had);
	free(copy);
	return end(m, MOCK_write, req, (int)had, nothing);
}

static int op_flush(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner)
{
	return end(NOTE(flush, req, node, fh, owner), MOCK_flush, req, 0, nothing);
}

static void taken(struct mock *m, struct mock_given what)
{
	pthread_mutex_lock(&m->lock);
	if (!m->client_takes)
		count(m, what, -1);
	pthread_mutex_unlock(&m->lock);
}

static void op_release(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	struct mock *m =
		NOTE(release, NULL, node, fh, how->flags, how->open_flags, how->lock_owner);

	taken(m, (struct mock_given){ .node = node, .fh = fh, .file = true });
}

static int op_fsync(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	return end(NOTE(fsync, req, node, fh, flags), MOCK_fsync, req, 0, nothing);
}

static int op_opendir(void *self, struct fb_req *req, uint64_t node, int flags,
		      struct fb_open *ret_open)
{
	struct mock *m = NOTE(opendir, req, node, (uint32_t)flags);

	*ret_open = m->open;
	ret_open->backing_fd = -1;
	return end(m, MOCK_opendir, req, 0,
		   (struct mock_gift){ .dir = true, .opened = node, .fh = ret_open->fh });
}

static void list(struct mock *m, struct fb_dirsink *to, uint64_t cookie)
{
	for (size_t i = 0; i < m->listing_count; i++) {
		const struct fb_dirent *entry = &m->listing[i];
		const struct fb_entry *plus = m->listing_plus ? &m->listing_plus[i] : NULL;
		bool dots = entry->name[0] == '.';

		if (entry->cookie <= cookie)
			continue;
		if (fb_dirsink_add(to, entry, plus) < 0)
			return;
		if (plus && fb_dirsink_plus(to) && !dots)
			give(m, &(struct mock_gift){ .node = plus->node });
	}
}

static int op_readdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t cookie,
		      struct fb_dirsink *to)
{
	struct mock *m = NOTE(readdir, req, node, fh, cookie, fb_dirsink_plus(to));

	list(m, to, cookie);
	return end(m, MOCK_readdir, req, 0, nothing);
}

static int op_readdirplus(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
			  uint64_t cookie, struct fb_dirsink *to)
{
	struct mock *m = NOTE(readdirplus, req, node, fh, cookie, fb_dirsink_plus(to));

	list(m, to, cookie);
	return end(m, MOCK_readdirplus, req, 0, nothing);
}

static void op_releasedir(void *self, uint64_t node, uint64_t fh, const struct fb_release *how)
{
	struct mock *m =
		NOTE(releasedir, NULL, node, fh, how->flags, how->open_flags, how->lock_owner);

	taken(m, (struct mock_given){ .node = node, .fh = fh, .dir = true });
}

static int op_fsyncdir(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t flags)
{
	return end(NOTE(fsyncdir, req, node, fh, flags), MOCK_fsyncdir, req, 0, nothing);
}

static int op_statfs(void *self, struct fb_req *req, uint64_t node, struct fb_statfs *ret_statfs)
{
	struct mock *m = NOTE(statfs, req, node);

	*ret_statfs = m->statfs;
	return end(m, MOCK_statfs, req, 0, nothing);
}

static int op_syncfs(void *self, struct fb_req *req, uint64_t node)
{
	return end(NOTE(syncfs, req, node), MOCK_syncfs, req, 0, nothing);
}

static int op_setxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
		       const void *value, size_t size, uint32_t flags)
{
	struct mock *m = NOTE_NAMES(setxattr, req, name, NULL, node, size, flags);

	note_data(m, value, size);
	return end(m, MOCK_setxattr, req, 0, nothing);
}

static int xattr(struct mock *m, enum mock_op op, struct fb_req *req, struct fb_sink *to,
		 size_t size)
{
	int r = (int)m->bytes_size;

	if (size > 0)
		r = m->bytes_size > size ? -ERANGE : fill(m, to, size);
	return end(m, op, req, r, nothing);
}

static int op_getxattr(void *self, struct fb_req *req, uint64_t node, const char *name,
		       struct fb_sink *to, size_t size)
{
	return xattr(NOTE_NAMES(getxattr, req, name, NULL, node, size), MOCK_getxattr, req, to,
		     size);
}

static int op_listxattr(void *self, struct fb_req *req, uint64_t node, struct fb_sink *to,
			size_t size)
{
	return xattr(NOTE(listxattr, req, node, size), MOCK_listxattr, req, to, size);
}

static int op_removexattr(void *self, struct fb_req *req, uint64_t node, const char *name)
{
	return end(NOTE_NAMES(removexattr, req, name, NULL, node), MOCK_removexattr, req, 0,
		   nothing);
}

static int op_access(void *self, struct fb_req *req, uint64_t node, uint32_t mask)
{
	return end(NOTE(access, req, node, mask), MOCK_access, req, 0, nothing);
}

static int op_getlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		    const struct fb_lock *lock, uint32_t flags, struct fb_lock *ret_lock)
{
	struct mock *m = NOTE(getlk, req, node, fh, owner, lock->start, lock->end, lock->type,
			      lock->pid, flags);

	*ret_lock = m->lock_found;
	return end(m, MOCK_getlk, req, 0, nothing);
}

static int op_setlk(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t owner,
		    const struct fb_lock *lock, uint32_t flags)
{
	return end(NOTE(setlk, req, node, fh, owner, lock->start, lock->end, lock->type, lock->pid,
			flags),
		   MOCK_setlk, req, 0, nothing);
}

static int op_fallocate(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint32_t mode,
			uint64_t off, uint64_t len)
{
	return end(NOTE(fallocate, req, node, fh, mode, off, len), MOCK_fallocate, req, 0, nothing);
}

static int op_lseek(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t off,
		    uint32_t whence, uint64_t *ret_off)
{
	struct mock *m = NOTE(lseek, req, node, fh, off, whence);

	*ret_off = m->number;
	return end(m, MOCK_lseek, req, 0, nothing);
}

static int op_copy_file_range(void *self, struct fb_req *req, uint64_t node_in, uint64_t fh_in,
			      uint64_t off_in, uint64_t node_out, uint64_t fh_out, uint64_t off_out,
			      uint64_t len, uint64_t flags, uint64_t *ret_copied)
{
	struct mock *m = NOTE(copy_file_range, req, node_in, fh_in, off_in, node_out, fh_out,
			      off_out, len, flags);

	*ret_copied = m->number;
	return end(m, MOCK_copy_file_range, req, 0, nothing);
}

static int op_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	struct mock *m = NOTE(ioctl, req, node, fh, call->flags, call->cmd, call->arg,
			      call->in_size, call->out_size);

	note_data(m, call->in, call->in_size);
	*ret_result = m->ioctl_result;
	return end(m, MOCK_ioctl, req, fill(m, to, fb_sink_room(to)), nothing);
}

static int op_poll(void *self, struct fb_req *req, uint64_t node, uint64_t fh, uint64_t kh,
		   uint32_t flags, uint32_t events, uint32_t *ret_revents)
{
	struct mock *m = NOTE(poll, req, node, fh, kh, flags, events);

	*ret_revents = m->revents;
	return end(m, MOCK_poll, req, 0, nothing);
}

static int op_bmap(void *self, struct fb_req *req, uint64_t node, uint64_t block,
		   uint32_t blocksize, uint64_t *ret_block)
{
	struct mock *m = NOTE(bmap, req, node, block, blocksize);

	*ret_block = m->number;
	return end(m, MOCK_bmap, req, 0, nothing);
}

static int op_setupmapping(void *self, struct fb_req *req, uint64_t node,
			   const struct fb_mapping *mapping)
{
	return end(NOTE(setupmapping, req, node, mapping->fh, mapping->file_offset, mapping->len,
			mapping->window_offset, mapping->flags),
		   MOCK_setupmapping, req, 0, nothing);
}

static int op_removemapping(void *self, struct fb_req *req, uint64_t node,
			    const struct fb_mapping_range *ranges, size_t range_count)
{
	return end(NOTE(removemapping, req, node, range_count, ranges[0].window_offset,
			ranges[0].len, ranges[range_count - 1].window_offset),
		   MOCK_removemapping, req, 0, nothing);
}

static int op_save(void *self, struct fb_state *to)
{
	struct mock *m = NOTE(save, NULL, 0);
	int r = fb_state_put(to, m->bytes, m->bytes_size);

	return m->forced[MOCK_save] ? m->results[MOCK_save] : r;
}

static int op_load(void *self, const void *state, size_t size)
{
	struct mock *m = NOTE(load, NULL, size);

	note_data(m, state, size);
	return m->forced[MOCK_load] ? m->results[MOCK_load] : 0;
}

/* ---- the rest ---------------------------------------------------------------------------------- */

void mock_init(struct mock *m)
{
	static const struct fb_attr file = {
		.ino = 10,
		.size = 11,
		.mode = S_IFREG | 0644,
		.nlink = 1,
		.blksize = 4096,
	};

	memset(m, 0, sizeof(*m));
	m->ops = (struct fb_driver_ops){ .size = sizeof(m->ops),
#define MOCK_X(op) .op = op_##op,
					 FB_DRIVER_OPS(MOCK_X)
#undef MOCK_X
	};
	m->entry = (struct fb_entry){ .node = 5, .generation = 1, .attr = file };
	m->attr = (struct fb_attr_reply){ .attr = file, .attr_timeout_ns = 1500000000 };
	m->open = (struct fb_open){ .fh = 77, .backing_fd = -1 };
	m->statx = (struct fb_statx){ .attr = file, .mask = 0x7ff };
	m->bytes = "some bytes";
	m->bytes_size = 10;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
}

void mock_fini(struct mock *m)
{
	assert(m->held_count == 0);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
}

void mock_force(struct mock *m, enum mock_op op, int result)
{
	m->forced[op] = true;
	m->results[op] = result;
}

void mock_unforce(struct mock *m, enum mock_op op)
{
	m->forced[op] = false;
}

void mock_leave_out(struct mock *m, enum mock_op op)
{
	/* The members are pointers in the list's order, behind the size. */
	memset((uint8_t *)&m->ops + sizeof(size_t) + op * sizeof(void *), 0, sizeof(void *));
}

const char *mock_op_name(enum mock_op op)
{
	return names[op];
}

unsigned mock_calls(struct mock *m, enum mock_op op)
{
	unsigned calls;

	pthread_mutex_lock(&m->lock);
	calls = m->calls[op];
	pthread_mutex_unlock(&m->lock);
	return calls;
}

unsigned mock_calls_all(struct mock *m)
{
	unsigned sum = 0;

	for (unsigned op = 0; op < MOCK_OPS; op++)
		sum += mock_calls(m, op);
	return sum;
}

bool mock_wait_held(struct mock *m, size_t wanted)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&m->lock);
	while (m->held_count < wanted && r == 0)
		r = pthread_cond_timedwait(&m->changed, &m->lock, &until);
	pthread_mutex_unlock(&m->lock);
	return r == 0;
}

static bool take_held(struct mock *m, const struct fb_req *req, struct mock_held *ret_held)
{
	size_t i = 0;

	pthread_mutex_lock(&m->lock);
	while (req && i < m->held_count && m->held[i].req != req)
		i++;
	if (i < m->held_count) {
		*ret_held = m->held[i];
		m->held_count--;
		memmove(&m->held[i], &m->held[i + 1], (m->held_count - i) * sizeof(m->held[0]));
		pthread_mutex_unlock(&m->lock);
		return true;
	}
	pthread_mutex_unlock(&m->lock);
	return false;
}

int mock_complete_req(struct mock *m, struct fb_req *req, int result)
{
	struct mock_held held;

	if (!take_held(m, req, &held))
		return -ENOENT;
	if (result >= 0)
		give(m, &held.gift);
	return fb_req_complete(held.req, result);
}

int mock_complete(struct mock *m, int result)
{
	return mock_complete_req(m, NULL, result);
}
