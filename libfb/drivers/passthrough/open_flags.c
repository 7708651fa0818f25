/* SPDX-License-Identifier: BSD-3-Clause */
#include "open_flags.h"

#include "mount_fds.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Flags that a client's kernel keeps to itself: a raw request with one of them is an attack. */
#define NEVER (O_CREAT | O_EXCL | O_PATH | (O_TMPFILE & ~O_DIRECTORY))
/* Up to this size a file is copied into the client's cache when it is read again. */
#define REREAD_MAX (128 << 10)

#define KEEP (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC)

static bool granted(const struct fb_passthrough *fs, uint64_t feature)
{
	return fs->granted & feature;
}

bool fb_open_flags_writeback(const struct fb_passthrough *fs)
{
	return granted(fs, FB_INIT_WRITEBACK_CACHE);
}

int fb_open_flags_host(const struct fb_passthrough *fs, int flags, int *ret_host)
{
	int keep = KEEP, host;
	bool changes;

	if ((flags & NEVER) || (flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (fs->direct_io)
		keep |= O_DIRECT;
	if (fs->noatime)
		keep |= O_NOATIME;
	host = flags & keep;
	changes = (host & O_ACCMODE) != O_RDONLY || (host & O_TRUNC);
	if (fs->options.read_only && changes)
		return -EROFS;
	if (fs->options.seal_size && (host & O_TRUNC))
		return -EPERM;
	/* To fill a page of which only a part was written, the kernel reads it through this file. */
	if (fb_open_flags_writeback(fs) && (host & O_ACCMODE) == O_WRONLY)
		host = (host & ~O_ACCMODE) | O_RDWR;
	*ret_host = host;
	return 0;
}

int fb_open_flags_check_dir(int flags)
{
	return flags & NEVER ? -EINVAL : 0;
}

static bool uncached(const struct fb_passthrough *fs)
{
	return fs->options.cache == FB_CACHE_NEVER || fs->options.cache == FB_CACHE_METADATA;
}

/*
 * A close() costs no round trip when flush would have nothing to do: no locks to drop, no error to
 * report.
 */
static bool no_flush(const struct fb_passthrough *fs, const struct fb_mount_fd *mount, int host)
{
	if (granted(fs, FB_INIT_POSIX_LOCKS) || fb_open_flags_writeback(fs))
		return false;
	return (host & O_ACCMODE) == O_RDONLY || (mount && mount->silent_close);
}

uint32_t fb_open_flags_file(const struct fb_passthrough *fs, const struct fb_mount_fd *mount,
			    int host)
{
	uint32_t flags = no_flush(fs, mount, host) ? FB_FOPEN_NOFLUSH : 0;

	if (uncached(fs))
		flags |= FB_FOPEN_DIRECT_IO | FB_FOPEN_PARALLEL_DIRECT_WRITES;
	else if (fs->options.cache == FB_CACHE_ALWAYS)
		flags |= FB_FOPEN_KEEP_CACHE;
	return flags;
}

uint32_t fb_open_flags_dir(const struct fb_passthrough *fs)
{
	if (fs->options.cache == FB_CACHE_METADATA || fs->options.cache == FB_CACHE_ALWAYS)
		return FB_FOPEN_CACHE_DIR | FB_FOPEN_KEEP_CACHE;
	return 0;
}

/*
 * Whether the client's own cache serves this file better. What is in it costs nothing to read again,
 * while a file that is read past the server has to be registered at each open, and its next fstat(2)
 * asks for the time of access. So that what is read once is not copied, the first open does not count.
 */
static bool stays_cached(const struct fb_passthrough *fs, const struct stat *now, int flags,
			 bool again)
{
	return again && fs->options.cache == FB_CACHE_ALWAYS && now->st_size <= REREAD_MAX &&
	       (flags & (O_ACCMODE | O_TRUNC | O_DIRECT)) == O_RDONLY;
}

bool fb_open_flags_backing(const struct fb_passthrough *fs, int fd, int flags, bool again)
{
	struct stat now;

	/* Sealed sizes need every write checked. */
	if (!fs->kernel_passthrough || !granted(fs, FB_INIT_PASSTHROUGH) ||
	    fb_open_flags_writeback(fs) || fs->options.seal_size)
		return false;
	/* The kernel's own descriptor would go on appending after F_SETFL has taken O_APPEND away. */
	if ((flags & O_APPEND) || fstat(fd, &now) < 0)
		return false;
	/*
	 * The kernel writes to a backing file with our rights, not the caller's, and forgets to have
	 * set-id bits cleared (fs/fuse/passthrough.c): such files are written through the server.
	 */
	return !(now.st_mode & (S_ISUID | S_ISGID)) && !stays_cached(fs, &now, flags, again);
}
