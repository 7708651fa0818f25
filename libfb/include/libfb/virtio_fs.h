/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport to a virtual machine: a virtio-fs device, for front ends that speak vhost-user
 * (QEMU, cloud-hypervisor, crosvm).
 *
 * The machine monitor is the client of a Unix socket: listen, accept, attach a session to the
 * connection, run it. The session ends when the connection does; for the next one make another.
 */
#ifndef LIBFB_VIRTIO_FS_H
#define LIBFB_VIRTIO_FS_H

#include <libfb/session.h>
#include <libfb/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a tag at most. */
#define FB_VIRTIO_FS_TAG_MAX 36

/* Zero means the default everywhere. Set size to sizeof(struct fb_virtio_fs_options). */
struct fb_virtio_fs_options {
	size_t size;
	/*
	 * For monitors that ask the device for its tag instead of giving it one (crosvm,
	 * cloud-hypervisor's generic device): 1 to 36 bytes. Default: none.
	 */
	const char *tag;
	/* Request queues that a guest may use, 1 to 255. Default 64. */
	uint32_t request_queues;
};

/*
 * Attach session to the vhost-user connection fd and begin to answer its front end; requests of the
 * guest are served once the session runs. On success fd belongs to the session. Returns 0; -EINVAL
 * (options without size, a tag that no guest can mount), -EBUSY when the session has a transport
 * already, -ENOMEM, -EMFILE, or -EAGAIN when no thread can be started.
 */
int fb_virtio_fs_attach(struct fb_session *session, int fd,
			const struct fb_virtio_fs_options *options) FB_MUST_CHECK;

/*
 * Listen at path for front ends. The socket appears under its name only when connections to it
 * succeed. What a dead listener has left there is replaced; a living one is not. group: the socket
 * is for its owner and this group; (gid_t)-1: for its owner only. Returns 0 and a descriptor, or
 * -errno; -EADDRINUSE when somebody listens there, -EEXIST when something else has that name.
 */
int fb_virtio_fs_listen(const char *path, gid_t group, int *ret_fd) FB_MUST_CHECK;

/*
 * Take the next connection of a listening socket, waiting for it. Returns 0 and its descriptor, or
 * -errno; -EINTR when a signal came first.
 */
int fb_virtio_fs_accept(int listen_fd, int *ret_fd) FB_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
