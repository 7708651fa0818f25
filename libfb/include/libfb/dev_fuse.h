/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport to the local kernel: /dev/fuse.
 */
#ifndef LIBFB_DEV_FUSE_H
#define LIBFB_DEV_FUSE_H

#include <libfb/session.h>
#include <libfb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How requests come from the kernel. */
enum fb_mount_transport {
	/*
	 * Over io_uring where the kernel offers it: Linux 6.14, and root has written 1 to
	 * /sys/module/fuse/parameters/enable_uring. Not with a mountpoint /dev/fd/N, nor where several
	 * threads of the program serve (fb_session_options.own_threads).
	 */
	FB_TRANSPORT_AUTO = 0,
	FB_TRANSPORT_DEV_FUSE, /* by read(2) and write(2) of /dev/fuse */
	FB_TRANSPORT_IO_URING, /* as auto, for /dev/fd/N too; where it can not be, the log says why */
};

/* Zero means the default everywhere. Set size to sizeof(struct fb_mount_options). */
struct fb_mount_options {
	size_t size;
	const char *source;  /* first column of /proc/mounts; default "libfb" */
	const char *subtype; /* the type shows as fuse.SUBTYPE; default none */
	/*
	 * Options as after mount -o, comma-separated: those of the FUSE kernel module (allow_other,
	 * default_permissions, max_read=N) and the general ones (ro, nodev, suid, noatime, …).
	 * Borrowed for the call.
	 */
	const char *options;
	bool auto_unmount;  /* unmount when this process dies, through fusermount3 */
	bool replace_stale; /* first unmount what a dead server left at the mountpoint */
	enum fb_mount_transport transport;
	/*
	 * Workers may yield their processor to the client that they serve: while one client asks for
	 * one thing after the other and no processor is needed by others, workers run on its processor
	 * with the scheduling policy SCHED_IDLE, which makes small requests two to three times as fast.
	 * Threads that operations start inherit both, and must change them. Needs CAP_SYS_NICE.
	 */
	bool yields;
};

/*
 * Mount the session's file system on mountpoint (absolute or relative; a directory, or a regular
 * file when the driver's root is one; or /dev/fd/N for a descriptor of /dev/fuse that is mounted
 * already) and attach the session to it. Root mounts by itself, others through fusermount3. The
 * mount answers once the session runs. Returns 0 or -errno; fb_last_error() says what to do.
 */
int fb_mount(struct fb_session *session, const char *mountpoint,
	     const struct fb_mount_options *options) FB_MUST_CHECK;

/*
 * Unmount what is at mountpoint, even if it is busy or its server is dead. Returns 0 or -errno.
 */
int fb_unmount(const char *mountpoint) FB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
