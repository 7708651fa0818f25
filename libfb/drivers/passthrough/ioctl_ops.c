/* SPDX-License-Identifier: BSD-3-Clause */
#include "ioctl_ops.h"

#include "credentials.h"
#include "file_use.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* What no client may set or clear: we would do it with a capability that its programs lack. */
#define FLAGS_GUARDED (FS_IMMUTABLE_FL | FS_APPEND_FL)
#define XFLAGS_GUARDED (FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND)

union argument {
	int flags; /* the numbers encode a long, file systems take an int */
	struct fsxattr xattr;
	char label[FSLABEL_MAX];
};

/* The commands let through; sizes are those of what really moves. */
static const struct command {
	uint32_t number, get; /* get: how to read what this one changes */
	uint32_t in, out;
} commands[] = {
	{ FS_IOC_GETFLAGS, 0, 0, sizeof(int) },
	{ FS_IOC_FSGETXATTR, 0, 0, sizeof(struct fsxattr) },
	{ FS_IOC_GETVERSION, 0, 0, sizeof(int) },
	{ FS_IOC_GETFSLABEL, 0, 0, FSLABEL_MAX },
	{ FS_IOC_SETFLAGS, FS_IOC_GETFLAGS, sizeof(int), 0 },
	{ FS_IOC_FSSETXATTR, FS_IOC_FSGETXATTR, sizeof(struct fsxattr), 0 },
};

static const struct command *find_command(uint32_t number)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].number == number)
			return &commands[i];
	return NULL;
}

/* Check what a changing command would change. */
static int check_change(int fd, const struct command *command, const union argument *wanted)
{
	union argument now = { 0 };
	uint32_t differs, guarded;

	if (ioctl(fd, command->get, &now) < 0)
		return -errno;
	if (command->number == FS_IOC_SETFLAGS) {
		differs = (uint32_t)(now.flags ^ wanted->flags);
		guarded = FLAGS_GUARDED;
	} else {
		differs = now.xattr.fsx_xflags ^ wanted->xattr.fsx_xflags;
		guarded = XFLAGS_GUARDED;
	}
	return differs & guarded ? -EPERM : 0;
}

static int check_allowed(const struct fb_passthrough *fs, const struct command *command,
			 const struct fb_ioctl *call)
{
	if (command->in > 0 && fs->options.read_only)
		return -EROFS;
	if (command->in > 0 && !fs->options.set_inode_flags)
		return -ENOTTY;
	return call->in_size < command->in || call->out_size < command->out ? -EINVAL : 0;
}

static int run(struct fb_passthrough *fs, const struct fb_req *req, int fd,
	       const struct command *command, union argument *argument)
{
	FB_SCOPE_CRED struct fb_cred_guard guard = { 0 };
	int result = fb_credentials_assume(fs, fb_req_caller(req), FB_CREDENTIALS_ACCESS, &guard);

	if (result == 0 && command->in > 0)
		result = check_change(fd, command, argument);
	if (result < 0)
		return result;
	return ioctl(fd, command->number, argument) < 0 ? -errno : 0;
}

static int op_ioctl(void *self, struct fb_req *req, uint64_t node, uint64_t fh,
		    const struct fb_ioctl *call, struct fb_sink *to, int32_t *ret_result)
{
	struct fb_passthrough *fs = self;
	const struct command *command = find_command(call->cmd);
	FB_SCOPE_FILE_USE struct fb_file_use use = { .fd = -1 };
	union argument argument = { 0 };
	bool dir = call->flags & FB_IOCTL_DIR;
	int result = fb_file_use_begin(&use, fs, fb_req_caller(req), node, fh,
				       dir ? FB_HANDLE_DIR : FB_HANDLE_FILE, O_RDONLY);

	if (result < 0)
		return result;
	if (!command)
		return -ENOTTY;
	result = check_allowed(fs, command, call);
	if (result < 0)
		return result;
	if (command->in > 0)
		memcpy(&argument, call->in, command->in);
	result = run(fs, req, use.fd, command, &argument);
	if (result == 0 && command->out > 0)
		result = fb_sink_put(to, &argument, command->out);
	if (result < 0)
		return result;
	*ret_result = 0;
	return (int)command->out;
}

void fb_ioctl_ops_fill(const struct fb_passthrough *fs, struct fb_driver_ops *ops)
{
	(void)fs;
	ops->ioctl = op_ioctl;
}
