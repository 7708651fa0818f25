/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any messages of a monitor: the device answers, refuses or hangs up, and leaves nothing open.
 *
 * Input: for each message a struct step, then as many bytes of payload as it says. Descriptors that
 * come along are memory, eventfds and what is no use as either.
 */
#include <fcntl.h>
#include <libfb/fb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "transport/vhost_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 48

struct step {
	uint8_t request;
	uint8_t flags; /* of the header: 0 is what is right, with need_reply if bit 3 is set */
	uint8_t fds;   /* how many descriptors; the high nibble says which come first */
	uint8_t size;  /* of the payload */
	uint8_t say;   /* 0: the header says the right size, else this */
};

static int files[4]; /* memory, two eventfds, /dev/null */

static void make_files(void)
{
	files[0] = memfd_create("ram", MFD_CLOEXEC);
	files[1] = eventfd(0, EFD_CLOEXEC);
	files[2] = eventfd(0, EFD_CLOEXEC);
	files[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(files[0] >= 0 && files[1] >= 0 && files[2] >= 0 && files[3] >= 0);
	CHECK(ftruncate(files[0], 1 << 20) == 0);
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Read what the device has sent; what it says is not looked at. */
static void drain(int socket)
{
	char answer[4096];

	while (recv(socket, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		continue;
}

static bool send_step(int socket, const struct step *step, const uint8_t *payload)
{
	struct fb_wire_vhost_header header = {
		.request = step->request,
		.flags = step->flags & ~FB_VHOST_NEED_REPLY ?
				 step->flags :
				 FB_VHOST_VERSION | (step->flags & FB_VHOST_NEED_REPLY),
		.size = step->say ? step->say : step->size,
	};
	struct iovec iov[] = { { &header, sizeof(header) },
			       { (void *)(uintptr_t)payload, step->size } };
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(16 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	unsigned count = step->fds & 15;

	if (count > 0) {
		struct cmsghdr *rights;

		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (unsigned i = 0; i < count; i++)
			memcpy(CMSG_DATA(rights) + i * sizeof(int),
			       &files[((step->fds >> 4) + i) % 4], sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) > 0;
}

static void play(int socket, const uint8_t *data, size_t size)
{
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		if (step.size > size)
			step.size = (uint8_t)size;
		if (!send_step(socket, &step, data))
			return; /* the device has hung up */
		data += step.size;
		size -= step.size;
		drain(socket);
	}
}

/* What a client takes along to another server: anything will do. */
static int save(void *self, struct fb_state *to)
{
	(void)self;
	return fb_state_put(to, "anything", 8);
}

static int load(void *self, const void *state, size_t size)
{
	(void)self;
	(void)state;
	return size == 8 ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fb_driver_ops ops = { .size = sizeof(ops), .save = save, .load = load };
	static const struct fb_session_options few = { .size = sizeof(few), .workers = 1 };
	static const struct fb_virtio_fs_options device = { .size = sizeof(device),
							    .tag = "fuzz",
							    .request_queues = 3 };
	struct fb_session *session;
	unsigned descriptors;
	int ends[2];

	if (files[0] == 0)
		make_files();
	/* A state may have been written there. */
	CHECK(lseek(files[0], 0, SEEK_SET) == 0 && ftruncate(files[0], 1 << 20) == 0);
	descriptors = count_descriptors();
	CHECK(fb_session_new(&ops, NULL, &few, &session) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	CHECK(fb_virtio_fs_attach(session, ends[0], &device) == 0);
	CHECK(fb_session_start(session) == 0);
	play(ends[1], data, size);
	close(ends[1]);
	(void)!fb_session_wait(session);
	fb_session_unref(session);
	CHECK(count_descriptors() == descriptors);
	return 0;
}
