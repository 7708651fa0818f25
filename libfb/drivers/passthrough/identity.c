/* SPDX-License-Identifier: BSD-3-Clause */
#include "identity.h"

#include "resolve.h"
#include "state.h"

#include <errno.h>
#include <string.h>

/* struct file_handle ends with a flexible array; this is one with the longest handle. */
union handle_room {
	struct file_handle handle;
	unsigned char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

int fb_identity_read_handle(int fd, struct fb_identity *identity)
{
	union handle_room to = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (name_to_handle_at(fd, "", &to.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return -errno;
	if (to.handle.handle_bytes == 0 || to.handle.handle_bytes > MAX_HANDLE_SZ)
		return -EOVERFLOW;
	identity->handle_type = to.handle.handle_type;
	identity->handle_size = (uint8_t)to.handle.handle_bytes;
	memcpy(identity->handle, to.room + sizeof(struct file_handle), to.handle.handle_bytes);
	return 0;
}

int fb_identity_open_handle(int mount_fd, int type, const unsigned char *handle, uint8_t size)
{
	union handle_room from = { .handle.handle_bytes = size, .handle.handle_type = type };
	int fd;

	memcpy(from.room + sizeof(struct file_handle), handle, size);
	fd = open_by_handle_at(mount_fd, &from.handle, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fb_identity_read(struct fb_passthrough *fs, const struct fb_inode *near, int fd,
		     const struct statx *statx, struct fb_identity *ret_identity)
{
	FB_SCOPE_IDENTITY struct fb_identity identity = {
		.ino = statx->stx_ino,
		.dev = fb_identity_dev(statx),
		.mnt_id = statx->stx_mnt_id,
	};
	int result = fb_mount_fds_get(fs, near ? near->mount : NULL, identity.mnt_id, fd,
				      &identity.mount);

	if (result < 0)
		return result;
	if (identity.mount->handles)
		result = fb_identity_read_handle(fd, &identity);
	else if (fs->handle_mode == FB_HANDLES_MANDATORY)
		result = -EOPNOTSUPP;
	/* prefer: a single file without a handle keeps its descriptor instead. */
	if (result < 0 && (fs->handle_mode == FB_HANDLES_MANDATORY ||
			   (result != -EOPNOTSUPP && result != -EOVERFLOW)))
		return result;
	*ret_identity = identity;
	identity.mount = NULL;
	return 0;
}

void fb_identity_fini(struct fb_identity *identity)
{
	fb_mount_fds_put(fb_pointer_steal(&identity->mount));
}

/* Take the steps from a file to its handle and back again once. */
static int try_handle(struct fb_passthrough *fs)
{
	struct fb_identity identity = { 0 };
	int result = fb_identity_read_handle(fs->source_fd, &identity);

	if (result < 0)
		return result;

	FB_SCOPE_FD int mount_fd = fb_resolve_reopen(fs, fs->source_fd, O_RDONLY | O_NOCTTY);

	if (mount_fd < 0)
		return mount_fd;

	FB_SCOPE_FD int fd = fb_identity_open_handle(mount_fd, identity.handle_type,
						     identity.handle, identity.handle_size);

	return fd < 0 ? fd : 0;
}

int fb_identity_probe(struct fb_passthrough *fs)
{
	int result;

	fs->handle_mode = fs->options.handles;
	if (fs->handle_mode == FB_HANDLES_NEVER)
		return 0;
	result = try_handle(fs);
	if (result == 0)
		return 0;
	if (fs->handle_mode == FB_HANDLES_MANDATORY)
		return fb_fail(-result,
			       "file handles are mandatory but do not work here (%s): the process "
			       "needs CAP_DAC_READ_SEARCH and the file system must support them",
			       strerror(-result));
	/* A file system without handles may still have mounts below that have them. */
	if (result != -EOPNOTSUPP && result != -EOVERFLOW) {
		fs->handle_mode = FB_HANDLES_NEVER;
		fb_log(FB_LOG_INFO,
		       "passthrough: file handles can not be used (%s): each node known to the "
		       "client keeps a descriptor open",
		       strerror(-result));
	}
	return 0;
}
