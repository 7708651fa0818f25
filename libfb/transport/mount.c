/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/scope.h"
#include "protocol/wire_dev.h"
#include "transport/fusermount.h"
#include "transport/mount_options.h"
#include "transport/mountpoint.h"

#define DEV_FUSE "/dev/fuse"
#define DEV_FUSE_MAJOR 10
#define DEV_FUSE_MINOR 229
#define DEV_FD "/dev/fd/"
#define DATA_MAX 4096
#define TYPE_MAX 128

/* Put an error of mounting into words, the kernel's own if it said any. */
static int mount_failed(const struct fb_mountpoint *point, int error, const char *said)
{
	if (said && *said)
		return fb_fail(error, "can not mount on %s: the kernel says \"%s\"", point->path,
			       said);
	switch (error) {
	case EPERM:
		return fb_fail(error, "no permission to mount on %s", point->path);
	case ENODEV:
		return fb_fail(error, "this kernel has no FUSE; load it with \"modprobe fuse\"");
	case EBUSY:
		return fb_fail(error, "mountpoint %s is busy", point->path);
	case EINVAL:
		return fb_fail(error, "can not mount on %s: the kernel refuses the mount options",
			       point->path);
	default:
		return fb_fail(error, "can not mount on %s: %s", point->path, strerror(error));
	}
}

/* Returns a descriptor, -EPERM when this user must ask fusermount3, or -errno. */
static int open_device(void)
{
	int fd = open(DEV_FUSE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EACCES:
	case EPERM:
		return fb_fail(EPERM, "no permission to open " DEV_FUSE);
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return fb_fail(errno, "there is no " DEV_FUSE "; load the kernel module with "
				      "\"modprobe fuse\", or give the device to the container");
	default:
		return fb_fail(errno, "can not open " DEV_FUSE ": %s", strerror(errno));
	}
}

/* ---- the new mount API --------------------------------------------------------------------- */

static int config_text(int context, const char *key, const char *value)
{
	return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int config_number(int context, const char *key, const char *format, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), format, value);
	return config_text(context, key, text);
}

/* What fsname= is called in the kernel; NULL for options that it does not have. */
static const char *kernel_name(enum fb_mount_data key)
{
	switch (key) {
	case FB_MOUNT_DATA_auto_unmount:
		return NULL;
	case FB_MOUNT_DATA_fsname:
		return "source";
	default:
		return fb_mount_data_name(key);
	}
}

static int config_options(int context, const struct fb_mount_plan *plan)
{
	const struct fb_mount_flag *row;
	int r = 0;

	for (enum fb_mount_data key = 0; key < FB_MOUNT_DATA_COUNT && r == 0; key++) {
		const char *value = plan->values[key], *name = kernel_name(key);

		if (!name || !value)
			continue;
		if (*value)
			r = config_text(context, name, value);
		else if (fsconfig(context, FSCONFIG_SET_FLAG, name, NULL, 0) < 0)
			r = -errno;
	}
	for (size_t i = 0; r == 0 && (row = fb_mount_flag_at(i)); i++)
		if (row->superblock && (plan->flags & row->ms_flag) &&
		    fsconfig(context, FSCONFIG_SET_FLAG, row->name, NULL, 0) < 0)
			r = -errno;
	return r;
}

/* The descriptor goes as text: FSCONFIG_SET_FD is refused for it. */
static int config_all(int context, const struct fb_mountpoint *point,
		      const struct fb_mount_plan *plan, int fd)
{
	int r = config_number(context, "fd", "%u", (unsigned)fd);

	if (r == 0)
		r = config_number(context, "rootmode", "%o", point->type);
	if (r == 0)
		r = config_number(context, "user_id", "%u", getuid());
	if (r == 0)
		r = config_number(context, "group_id", "%u", getgid());
	if (r == 0)
		r = config_options(context, plan);
	if (r == 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	return r;
}

/* The kernel explains errors in lines such as "e fuse: Unknown parameter 'x'"; take one. */
static const char *read_explanation(int context, char *text, size_t size)
{
	ssize_t n = read(context, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text[0] && text[1] == ' ' ? text + 2 : text;
}

static int make_by_new_api(const struct fb_mountpoint *point, const struct fb_mount_plan *plan,
			   struct fb_mount *mount)
{
	FB_SCOPED_FD fd = open_device();
	FB_SCOPED_FD context = -1;
	FB_SCOPED_FD tree = -1;
	char text[256];
	int r;

	if (fd < 0)
		return fd;
	context = fsopen("fuse", FSOPEN_CLOEXEC);
	if (context < 0)
		return mount_failed(point, errno, NULL);
	r = config_all(context, point, plan, fd);
	if (r < 0)
		return mount_failed(point, -r, read_explanation(context, text, sizeof(text)));
	tree = fsmount(context, FSMOUNT_CLOEXEC, fb_mount_plan_attr(plan));
	if (tree < 0)
		return mount_failed(point, errno, read_explanation(context, text, sizeof(text)));
	if (move_mount(tree, "", AT_FDCWD, point->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return mount_failed(point, errno, NULL);
	mount->id.number = fb_mount_number(tree);
	mount->fd = fb_fd_steal(&fd);
	return 0;
}

/* ---- mount(2) ------------------------------------------------------------------------------ */

/* Append an option to the data of mount(2); false when it does not fit. */
static bool data_add(char *data, const char *name, const char *value)
{
	size_t at = strlen(data);
	/* Only a security context may hold commas, and its quotes are the security module's. */
	const char *quote = strchr(value, ',') ? "\"" : "";
	int n = snprintf(data + at, DATA_MAX - at, ",%s%s%s%s%s", name, *value ? "=" : "", quote,
			 value, quote);

	return n >= 0 && (size_t)n < DATA_MAX - at;
}

static int make_by_mount(const struct fb_mountpoint *point, const struct fb_mount_plan *plan,
			 struct fb_mount *made)
{
	const char *subtype = plan->values[FB_MOUNT_DATA_subtype];
	const char *source = plan->values[FB_MOUNT_DATA_fsname];
	FB_SCOPED_FD fd = open_device();
	char data[DATA_MAX], type[TYPE_MAX];
	bool fits = true;

	if (fd < 0)
		return fd;
	snprintf(data, sizeof(data), "fd=%d,rootmode=%o,user_id=%u,group_id=%u", fd, point->type,
		 getuid(), getgid());
	for (enum fb_mount_data key = 0; key < FB_MOUNT_DATA_fsname; key++)
		if (plan->values[key])
			fits = fits && data_add(data, fb_mount_data_name(key), plan->values[key]);
	if (snprintf(type, sizeof(type), "fuse%s%s", subtype ? "." : "", subtype ? subtype : "") >=
	    TYPE_MAX)
		fits = false;
	if (!fits)
		return fb_fail(EINVAL, "the mount options are too long");
	if (mount(source ? source : "libfb", point->path, type, plan->flags, data) < 0)
		return mount_failed(point, errno, NULL);
	made->fd = fb_fd_steal(&fd);
	return 0;
}

/* ---- either, or fusermount3 ---------------------------------------------------------------- */

static int make_by_fusermount(const struct fb_mountpoint *point, const struct fb_mount_plan *plan,
			      struct fb_mount *mount)
{
	struct fb_fusermount made;
	int r = fb_fusermount_mount(point->path, plan, &made);

	if (r < 0)
		return r;
	mount->fd = made.fd;
	mount->watch_fd = made.watch_fd;
	mount->watcher = made.watcher;
	return 0;
}

/* Learn how to tell this mount from others that may be at the same path later. */
static void identify(struct fb_mount *mount)
{
	FB_SCOPED_FD fd = -1;
	struct fb_mount_entry entry;

	if (mount->id.number == 0) {
		fd = open(mount->path, O_PATH | O_CLOEXEC);
		mount->id.number = fd < 0 ? 0 : fb_mount_number(fd);
	}
	if (mount->id.number == 0 || fb_mount_entry_find(mount->id.number, &entry) < 0)
		mount->id.number = 0;
	else
		mount->id = entry.id;
}

int fb_mount_make(const struct fb_mountpoint *point, const struct fb_mount_plan *plan,
		  struct fb_mount *ret_mount)
{
	struct fb_mount mount = { .fd = -1, .own = true, .watch_fd = -1 };
	bool watched = plan->values[FB_MOUNT_DATA_auto_unmount];
	int r = watched ? -EPERM : make_by_new_api(point, plan, &mount);

	/* Containers may allow mount(2) but not know the new calls, which then give EPERM. */
	if (!watched && (r == -ENOSYS || r == -EPERM))
		r = make_by_mount(point, plan, &mount);
	if (r == -EPERM)
		r = make_by_fusermount(point, plan, &mount);
	if (r < 0)
		return r;
	mount.fd = fb_fd_raise(mount.fd);
	strcpy(mount.path, point->path);
	identify(&mount);
	*ret_mount = mount;
	return 0;
}

/* Whether a descriptor of /dev/fuse is mounted; joining its connection tells. */
static bool is_mounted(int fd)
{
	FB_SCOPED_FD probe = open(DEV_FUSE, O_RDWR | O_CLOEXEC);
	uint32_t argument = (uint32_t)fd;

	return probe < 0 || ioctl(probe, FB_DEV_IOC_CLONE, &argument) == 0 || errno == ENOTTY;
}

int fb_mount_adopt(const char *name, struct fb_mount *ret_mount)
{
	struct stat st;
	char *end;
	long fd;

	if (strncmp(name, DEV_FD, strlen(DEV_FD)) != 0)
		return 0;
	name += strlen(DEV_FD);
	errno = 0;
	fd = strtol(name, &end, 10);
	if (*name < '0' || *name > '9' || *end || errno || fd > INT_MAX)
		return fb_fail(EINVAL, "mountpoint /dev/fd/%s is not a number", name);
	if (fstat((int)fd, &st) < 0)
		return fb_fail(errno, "mountpoint /dev/fd/%ld: no such descriptor is open", fd);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(DEV_FUSE_MAJOR, DEV_FUSE_MINOR))
		return fb_fail(EINVAL, "mountpoint /dev/fd/%ld is not a descriptor of " DEV_FUSE,
			       fd);
	if (!is_mounted((int)fd))
		return fb_fail(EINVAL, "mountpoint /dev/fd/%ld is not mounted yet", fd);
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return fb_fail(errno, "mountpoint /dev/fd/%ld: %s", fd, strerror(errno));
	*ret_mount = (struct fb_mount){ .fd = (int)fd, .watch_fd = -1 };
	return 1;
}

void fb_mount_close(struct fb_mount *mount)
{
	if (mount->fd >= 0)
		close(mount->fd);
	mount->fd = -1;
	fb_fusermount_release(mount->watch_fd, mount->watcher);
	mount->watch_fd = -1;
	mount->watcher = 0;
}
