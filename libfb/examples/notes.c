/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system in memory, written by path: notes MOUNTPOINT, until Ctrl-C. What is written is gone
 * at the end.
 *
 * A list of notes, each with its path: that is all. The path layer (libfb/path.h) keeps the nodes that the
 * client knows, and makes of each request a call with a path. An open file's fh is simply a pointer
 * to its note, since the layer lets no fh pass that was not given to the client for that file.
 */
#include <libfb/fb.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SIZE_MAX_BYTES (UINT64_C(1) << 30)

struct note {
	struct note *next;
	char *path; /* NULL: removed, but open */
	struct fb_attr attr;
	unsigned opens;
	char *data; /* of a file, or the target of a symbolic link */
};

static pthread_mutex_t notes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct note *notes; /* the root is the last one */

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Hold the lock until the end of the scope. */
#define LOCKED                                                                                     \
	__attribute__((cleanup(unlock), unused)) pthread_mutex_t *locked = &notes_lock;            \
	pthread_mutex_lock(locked)

static struct fb_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (struct fb_time){ time.tv_sec, (uint32_t)time.tv_nsec };
}

/* The place where a note is linked, or the end of the list. */
static struct note **place_of(const char *path)
{
	struct note **place = &notes;

	while (*place && !((*place)->path && strcmp((*place)->path, path) == 0))
		place = &(*place)->next;
	return place;
}

/* The note that an operation is about: by its open file, or else by its path. */
static struct note *note_of(const char *path, const uint64_t *fh)
{
	return fh ? (struct note *)(uintptr_t)*fh : *place_of(path);
}

/* The part of path behind a directory, or NULL when it is not in there. */
static const char *rest_of(const char *path, const char *directory)
{
	size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);

	if (!path || strncmp(path, directory, length) != 0 || path[length] != '/')
		return NULL;
	return path[length + 1] ? path + length + 1 : NULL;
}

static bool is_empty(const char *directory)
{
	for (struct note *note = notes; note; note = note->next)
		if (rest_of(note->path, directory))
			return false;
	return true;
}

/* The directory that a path lies in has changed. */
static void directory_changed(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	struct note *note = directory ? *place_of(directory) : NULL;

	if (note)
		note->attr.mtime = note->attr.ctime = now();
	free(directory);
}

static int resize(struct note *note, uint64_t size)
{
	char *data = size <= SIZE_MAX_BYTES ? realloc(note->data, size + 1) : NULL;

	if (!data)
		return size <= SIZE_MAX_BYTES ? -ENOSPC : -EFBIG;
	if (size > note->attr.size)
		memset(data + note->attr.size, 0, size - note->attr.size);
	note->data = data;
	note->attr.size = size;
	note->attr.blocks = (size + 511) / 512;
	note->attr.mtime = note->attr.ctime = now();
	return 0;
}

static void note_free(struct note *note)
{
	free(note->path);
	free(note->data);
	free(note);
}

static int make(const struct fb_caller *caller, const char *path, uint32_t mode,
		struct note **ret_note)
{
	struct note *note;

	if (*place_of(path))
		return -EEXIST;
	note = calloc(1, sizeof(*note));
	if (!note || !(note->path = strdup(path))) {
		free(note);
		return -ENOSPC;
	}
	note->attr = (struct fb_attr){ .mode = mode, .nlink = 1, .blksize = 4096 };
	note->attr.atime = note->attr.mtime = note->attr.ctime = now();
	if (caller) {
		note->attr.uid = caller->uid;
		note->attr.gid = caller->gid;
	}
	note->next = notes;
	notes = note;
	directory_changed(path);
	if (ret_note)
		*ret_note = note;
	return 0;
}

/* Take a note off the list, or just its name while it is open. */
static void take_away(struct note **place)
{
	struct note *note = *place;

	directory_changed(note->path);
	if (note->opens > 0) {
		free(note->path);
		note->path = NULL;
		note->attr.nlink = 0;
		return;
	}
	*place = note->next;
	note_free(note);
}

static int notes_getattr(void *self, struct fb_req *req, const char *path, const uint64_t *fh,
			 struct fb_attr_reply *ret_attr)
{
	LOCKED;
	struct note *note = note_of(path, fh);

	if (!note)
		return -ENOENT;
	ret_attr->attr = note->attr;
	return 0;
}

static int notes_setattr(void *self, struct fb_req *req, const char *path,
			 const struct fb_setattr *set, struct fb_attr_reply *ret_attr)
{
	LOCKED;
	struct note *note = note_of(path, set->valid & FB_SETATTR_FH ? &set->fh : NULL);
	int result = !note ? -ENOENT : set->valid & FB_SETATTR_SIZE ? resize(note, set->size) : 0;

	if (result < 0)
		return result;
	note->attr.ctime = now();
	if (set->valid & FB_SETATTR_MODE)
		note->attr.mode = (note->attr.mode & S_IFMT) | (set->mode & 07777);
	if (set->valid & FB_SETATTR_UID)
		note->attr.uid = set->uid;
	if (set->valid & FB_SETATTR_GID)
		note->attr.gid = set->gid;
	if (set->valid & FB_SETATTR_ATIME)
		note->attr.atime = set->valid & FB_SETATTR_ATIME_NOW ? now() : set->atime;
	if (set->valid & FB_SETATTR_MTIME)
		note->attr.mtime = set->valid & FB_SETATTR_MTIME_NOW ? now() : set->mtime;
	ret_attr->attr = note->attr;
	return 0;
}

static int notes_mknod(void *self, struct fb_req *req, const char *path, uint32_t mode,
		       uint32_t rdev)
{
	LOCKED;
	struct note *note;
	int result = make(fb_req_caller(req), path, mode, &note);

	if (result == 0)
		note->attr.rdev = rdev;
	return result;
}

static int notes_mkdir(void *self, struct fb_req *req, const char *path, uint32_t mode)
{
	LOCKED;
	return make(fb_req_caller(req), path, S_IFDIR | mode, NULL);
}

static int notes_symlink(void *self, struct fb_req *req, const char *path, const char *target)
{
	LOCKED;
	struct note *note;
	int result = make(fb_req_caller(req), path, S_IFLNK | 0777, &note);

	if (result == 0)
		result = resize(note, strlen(target));
	if (result == 0)
		memcpy(note->data, target, strlen(target));
	return result;
}

static int notes_readlink(void *self, struct fb_req *req, const char *path, struct fb_sink *to)
{
	LOCKED;
	struct note *note = note_of(path, NULL);

	return note ? fb_sink_put(to, note->data, note->attr.size) : -ENOENT;
}

static int notes_remove(void *self, struct fb_req *req, const char *path)
{
	LOCKED;
	struct note **place = place_of(path);

	if (!*place)
		return -ENOENT;
	if (!is_empty(path))
		return -ENOTEMPTY;
	take_away(place);
	return 0;
}

/* Everything below a directory goes with it. */
static int move(struct note *note, const char *path, const char *new_path)
{
	const char *rest = rest_of(note->path, path);
	size_t size = strlen(new_path) + (rest ? strlen(rest) + 1 : 0) + 1;
	char *moved;

	if (!note->path || (!rest && strcmp(note->path, path) != 0))
		return 0;
	moved = malloc(size);
	if (!moved)
		return -ENOSPC;
	snprintf(moved, size, "%s%s%s", new_path, rest ? "/" : "", rest ? rest : "");
	free(note->path);
	note->path = moved;
	note->attr.ctime = rest ? note->attr.ctime : now();
	return 0;
}

static int notes_rename(void *self, struct fb_req *req, const char *path, const char *new_path,
			uint32_t flags)
{
	LOCKED;
	struct note **target = place_of(new_path);
	int result = 0;

	if (flags & ~FB_RENAME_NOREPLACE)
		return -EINVAL;
	if (!*place_of(path))
		return -ENOENT;
	if (strcmp(path, new_path) == 0)
		return 0;
	if (*target && (flags & FB_RENAME_NOREPLACE))
		return -EEXIST;
	if (*target && !is_empty(new_path))
		return -ENOTEMPTY;
	if (*target)
		take_away(target);
	directory_changed(path);
	directory_changed(new_path);
	for (struct note *note = notes; note && result == 0; note = note->next)
		result = move(note, path, new_path);
	return result;
}

static int notes_open(void *self, struct fb_req *req, const char *path, int flags,
		      uint32_t open_flags, struct fb_open *ret_open)
{
	LOCKED;
	struct note *note = note_of(path, NULL);

	if (!note)
		return -ENOENT;
	note->opens++;
	ret_open->fh = (uintptr_t)note;
	return 0;
}

static int notes_create(void *self, struct fb_req *req, const char *path, uint32_t mode, int flags,
			uint32_t open_flags, struct fb_open *ret_open)
{
	LOCKED;
	struct note *note = note_of(path, NULL);
	int result =
		note ? (flags & O_EXCL ? -EEXIST : 0) : make(fb_req_caller(req), path, mode, &note);

	if (result < 0)
		return result;
	note->opens++;
	ret_open->fh = (uintptr_t)note;
	return 0;
}

static int notes_read(void *self, struct fb_req *req, const char *path, uint64_t fh,
		      struct fb_sink *to, size_t count, uint64_t off)
{
	LOCKED;
	struct note *note = note_of(path, &fh);
	uint64_t rest = off < note->attr.size ? note->attr.size - off : 0;
	size_t size = rest < count ? (size_t)rest : count;
	int result = fb_sink_put(to, size ? note->data + off : "", size);

	return result < 0 ? result : (int)size;
}

static int notes_write(void *self, struct fb_req *req, const char *path, uint64_t fh,
		       struct fb_source *from, size_t count, uint64_t off)
{
	LOCKED;
	struct note *note = note_of(path, &fh);
	uint64_t end = off + count;
	int result = end < off ? -EFBIG : end > note->attr.size ? resize(note, end) : 0;

	if (result < 0)
		return result;
	note->attr.mtime = note->attr.ctime = now();
	return (int)fb_source_copy(from, note->data + off, count);
}

static void notes_release(void *self, const char *path, uint64_t fh, const struct fb_release *how)
{
	LOCKED;
	struct note *note = note_of(path, &fh), **place = &notes;

	if (--note->opens > 0 || note->path)
		return;
	while (*place != note)
		place = &(*place)->next;
	*place = note->next;
	note_free(note);
}

static int notes_readdir(void *self, struct fb_req *req, const char *path, uint64_t fh,
			 struct fb_listing *to)
{
	LOCKED;
	int result = 0;

	for (struct note *note = notes; note && result == 0; note = note->next) {
		const char *name = rest_of(note->path, path);

		if (name && !strchr(name, '/'))
			result = fb_listing_add(to, name, strlen(name), &note->attr);
	}
	return result;
}

static const struct fb_path_ops notes_ops = {
	.size = sizeof(notes_ops),
	.getattr = notes_getattr,
	.setattr = notes_setattr,
	.mknod = notes_mknod,
	.mkdir = notes_mkdir,
	.symlink = notes_symlink,
	.readlink = notes_readlink,
	.unlink = notes_remove,
	.rmdir = notes_remove,
	.rename = notes_rename,
	.open = notes_open,
	.create = notes_create,
	.read = notes_read,
	.write = notes_write,
	.release = notes_release,
	.readdir = notes_readdir,
};

int main(int argc, char **argv)
{
	const struct fb_mount_options mount = { .size = sizeof(mount),
						.source = "notes",
						.subtype = "notes",
						.options = "default_permissions" };
	struct fb_session *session;
	struct fb_path *layer;

	if (argc == 2 && make(NULL, "/", S_IFDIR | 0755, NULL) == 0 &&
	    fb_path_new(&notes_ops, NULL, NULL, &layer) == 0 &&
	    fb_session_new(fb_path_driver_ops(layer), layer, NULL, &session) == 0 &&
	    fb_mount(session, argv[1], &mount) == 0 && fb_session_stop_on_signals(session) == 0 &&
	    fb_session_run(session) == 0)
		return 0;
	fprintf(stderr, "notes: %s\n", argc == 2 ? fb_last_error() : "which mountpoint?");
	return 1;
}
