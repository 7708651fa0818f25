/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end's side of handing a state over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front_end.h"

#define PIECE 65536u

static int read_result(struct front_end *fe, uint32_t request, uint64_t *ret_answer)
{
	struct front_end_message message;
	int r = front_end_receive(fe, request, &message);

	if (r < 0)
		return r;
	front_end_drop(&message);
	if (message.header.size != sizeof(*ret_answer))
		return -EPROTO;
	memcpy(ret_answer, message.payload, sizeof(*ret_answer));
	return 0;
}

int front_end_set_state_fd(struct front_end *fe, uint32_t direction, uint32_t phase, int fd,
			   uint64_t *ret_answer)
{
	struct fb_wire_vhost_state_fd payload = { .direction = direction, .phase = phase };
	int r = front_end_send(fe, VHOST_SET_DEVICE_STATE_FD, FB_VHOST_VERSION, &payload,
			       sizeof(payload), &fd, fd >= 0);

	return r < 0 ? r : read_result(fe, VHOST_SET_DEVICE_STATE_FD, ret_answer);
}

int front_end_check_state(struct front_end *fe, uint64_t *ret_answer)
{
	int r = front_end_send(fe, VHOST_CHECK_DEVICE_STATE, FB_VHOST_VERSION, NULL, 0, NULL, 0);

	return r < 0 ? r : read_result(fe, VHOST_CHECK_DEVICE_STATE, ret_answer);
}

/* Our end and the device's. */
static int make_ends(enum front_end_style style, bool load, int ret_ends[2])
{
	int ends[2] = { -1, -1 };
	bool socket = style == FRONT_END_CLOUD_HYPERVISOR;

	if ((socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) :
		      pipe2(ends, O_CLOEXEC)) < 0)
		return -errno;
	ret_ends[0] = load && !socket ? ends[1] : ends[0];
	ret_ends[1] = load && !socket ? ends[0] : ends[1];
	return 0;
}

static int begin(struct front_end *fe, enum front_end_style style, bool load, int *ret_fd)
{
	uint64_t answer = 0;
	int ends[2] = { -1, -1 };
	int r = make_ends(style, load, ends);

	if (r < 0)
		return r;
	r = front_end_set_state_fd(fe, load, FB_VHOST_PHASE_STOPPED, ends[1], &answer);
	close(ends[1]);
	if (r == 0 && answer != FB_VHOST_RESULT_BEGUN)
		r = answer == FB_VHOST_RESULT_FAILED ? -EREMOTEIO : -EPROTO;
	if (r < 0)
		close(ends[0]);
	else
		*ret_fd = ends[0];
	return r;
}

static int check(struct front_end *fe)
{
	uint64_t answer;
	int r = front_end_check_state(fe, &answer);

	return r == 0 && answer != 0 ? -EREMOTEIO : r;
}

static int read_all(const struct front_end *fe, int fd, uint8_t **bytes, size_t *size)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		uint8_t *grown = realloc(*bytes, *size + PIECE);
		ssize_t got;

		if (!grown)
			return -ENOMEM;
		*bytes = grown;
		if (poll(&poll_fd, 1, fe->timeout_ms) == 0)
			return -ETIMEDOUT;
		got = read(fd, grown + *size, PIECE);
		if (got <= 0)
			return got < 0 ? -errno : 0;
		*size += (size_t)got;
	}
}

int front_end_save(struct front_end *fe, enum front_end_style style, uint8_t **ret_bytes,
		   size_t *ret_size)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int fd, r = begin(fe, style, false, &fd);

	if (r < 0)
		return r;
	r = read_all(fe, fd, &bytes, &size);
	close(fd);
	if (r == 0)
		r = check(fe);
	if (r < 0) {
		free(bytes);
		return r;
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

int front_end_load(struct front_end *fe, enum front_end_style style, const uint8_t *bytes,
		   size_t size)
{
	int fd, r = begin(fe, style, true, &fd);

	if (r < 0)
		return r;
	/* A device that reads no further closes its end; the test ignores SIGPIPE. */
	while (size > 0) {
		ssize_t put = write(fd, bytes, size);

		if (put < 0)
			break;
		bytes += put;
		size -= (size_t)put;
	}
	close(fd);
	return check(fe);
}
