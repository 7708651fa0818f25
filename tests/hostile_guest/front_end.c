/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end's side of a vhost-user socket: single messages.
 */
#include "front_end.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_FLAGS (FB_VHOST_VERSION | FB_VHOST_REPLY)

/* ---- connection ------------------------------------------------------------------------------ */

void front_end_adopt(struct front_end *fe, int socket)
{
	*fe = (struct front_end){
		.socket = socket,
		.backend_fd = -1,
		.timeout_ms = FRONT_END_TIMEOUT_MS,
		.budget = -1,
	};
}

int front_end_connect(struct front_end *fe, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	front_end_adopt(fe, -1);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	fe->socket = fd;
	return 0;
}

void front_end_close(struct front_end *fe)
{
	if (fe->socket >= 0)
		close(fe->socket);
	if (fe->backend_fd >= 0)
		close(fe->backend_fd);
	fe->socket = -1;
	fe->backend_fd = -1;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Wait until the socket is ready; deadline as of now_ms(). */
static int wait_ready(const struct front_end *fe, short events, int64_t deadline)
{
	struct pollfd poll_fd = { .fd = fe->socket, .events = events };
	int r;

	do {
		int64_t left = deadline - now_ms();

		r = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* Send what fits now. Returns the bytes, or -errno. */
static ssize_t send_some(const struct front_end *fe, const void *bytes, size_t size, const int *fds,
			 unsigned fd_count)
{
	union {
		struct cmsghdr header;
		uint8_t room[CMSG_SPACE(FB_VHOST_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (fd_count > 0) {
		struct cmsghdr *cmsg = &control.header;

		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	do
		r = sendmsg(fe->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int front_end_send_bytes(struct front_end *fe, const void *bytes, size_t size, const int *fds,
			 unsigned fd_count)
{
	int64_t deadline = now_ms() + fe->timeout_ms;
	const uint8_t *at = bytes;

	if (fd_count > FB_VHOST_FDS_MAX)
		return -EINVAL;
	while (size > 0) {
		ssize_t r = send_some(fe, at, fe->bytewise ? 1 : size, fds, fd_count);

		if (r == -EAGAIN) {
			r = wait_ready(fe, POLLOUT, deadline);
		} else if (r > 0) {
			at += r;
			size -= (size_t)r;
			fd_count = 0; /* they went with the first byte */
		}
		if (r < 0)
			return r == -EPIPE ? -ECONNRESET : (int)r;
	}
	return 0;
}

int front_end_flush(struct front_end *fe)
{
	size_t size = fe->kept_size;

	fe->kept_size = 0;
	return front_end_send_bytes(fe, fe->kept, size, NULL, 0);
}

int front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
		   size_t size, const int *fds, unsigned fd_count)
{
	struct fb_wire_vhost_header header = { request, flags, (uint32_t)size };
	uint8_t *end;
	int r;

	if (fe->budget == 0)
		return -ECANCELED;
	if (size > FB_VHOST_PAYLOAD_MAX)
		return -EINVAL; /* front_end_send_bytes() sends anything */
	fe->budget -= fe->budget > 0;
	fe->sent++;
	if (fd_count > 0 || fe->kept_size + sizeof(header) + size > sizeof(fe->kept)) {
		r = front_end_flush(fe);
		if (r < 0)
			return r;
	}
	end = fe->kept + fe->kept_size;
	memcpy(end, &header, sizeof(header));
	if (size > 0)
		memcpy(end + sizeof(header), payload, size);
	if (fd_count > 0)
		return front_end_send_bytes(fe, end, sizeof(header) + size, fds, fd_count);
	fe->kept_size += sizeof(header) + size;
	return fe->glue ? 0 : front_end_flush(fe);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static int take_fds(struct msghdr *message, struct front_end_message *into)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg;
	     cmsg = CMSG_NXTHDR(message, cmsg)) {
		size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		if (into->fd_count + bytes / sizeof(int) > FB_VHOST_FDS_MAX)
			return -EPROTO;
		memcpy(into->fds + into->fd_count, CMSG_DATA(cmsg), bytes);
		into->fd_count += (unsigned)(bytes / sizeof(int));
	}
	return message->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
}

/* Read exactly size bytes, so that nothing of the next message is touched. */
static int receive_bytes(const struct front_end *fe, void *to, size_t size, int64_t deadline,
			 struct front_end_message *into)
{
	uint8_t *at = to;

	while (size > 0) {
		_Alignas(struct cmsghdr)
			uint8_t control[CMSG_SPACE(FB_VHOST_FDS_MAX * sizeof(int))];
		struct iovec iov = { .iov_base = at, .iov_len = size };
		struct msghdr message = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t got;
		int r = wait_ready(fe, POLLIN, deadline);

		if (r < 0)
			return r;
		got = recvmsg(fe->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return got == 0 ? -ECONNRESET : -errno;
		r = take_fds(&message, into);
		if (r < 0)
			return r;
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

void front_end_drop(struct front_end_message *message)
{
	while (message->fd_count > 0)
		close(message->fds[--message->fd_count]);
}

int front_end_receive(struct front_end *fe, uint32_t request, struct front_end_message *ret_message)
{
	struct fb_wire_vhost_header *header = &ret_message->header;
	int64_t deadline = now_ms() + fe->timeout_ms;
	int r = front_end_flush(fe);

	*header = (struct fb_wire_vhost_header){ 0 };
	ret_message->fd_count = 0;
	if (r == 0)
		r = receive_bytes(fe, header, sizeof(*header), deadline, ret_message);
	if (r == 0 && (header->request != request || header->flags != REPLY_FLAGS ||
		       header->size > sizeof(ret_message->payload)))
		r = -EPROTO;
	if (r == 0)
		r = receive_bytes(fe, ret_message->payload, header->size, deadline, ret_message);
	if (r < 0)
		front_end_drop(ret_message);
	return r;
}

int front_end_wait_hangup(struct front_end *fe)
{
	uint8_t byte;
	int r = wait_ready(fe, POLLIN, now_ms() + fe->timeout_ms);

	if (r < 0)
		return r;
	return recv(fe->socket, &byte, 1, MSG_DONTWAIT) > 0 ? -EPROTO : 0;
}

/* ---- questions ------------------------------------------------------------------------------- */

bool front_end_speaks(const struct front_end *fe, enum fb_vhost_feature feature)
{
	return fe->protocol >> feature & 1;
}

static int read_answer(struct front_end *fe, uint32_t request, void *ret_answer, size_t size)
{
	struct front_end_message message;
	int r = front_end_receive(fe, request, &message);

	if (r < 0)
		return r;
	if (message.header.size != size || message.fd_count > 0) {
		front_end_drop(&message);
		return -EPROTO;
	}
	memcpy(ret_answer, message.payload, size);
	return 0;
}

int front_end_ask(struct front_end *fe, uint32_t request, const void *payload, size_t size,
		  void *ret_answer, size_t answer_size)
{
	int r = front_end_send(fe, request, FB_VHOST_VERSION, payload, size, NULL, 0);

	return r < 0 ? r : read_answer(fe, request, ret_answer, answer_size);
}

int front_end_ack(struct front_end *fe, uint32_t request, const void *payload, size_t size,
		  const int *fds, unsigned fd_count)
{
	struct fb_wire_vhost_u64 answer;
	int r = front_end_send(fe, request, FB_VHOST_VERSION | FB_VHOST_NEED_REPLY, payload, size,
			       fds, fd_count);

	if (r == 0)
		r = read_answer(fe, request, &answer, sizeof(answer));
	if (r == 0 && answer.value != 0)
		r = -EREMOTEIO;
	return r;
}

int front_end_tell(struct front_end *fe, bool waits, uint32_t request, const void *payload,
		   size_t size, const int *fds, unsigned fd_count)
{
	if (fe->acks != FRONT_END_ACKS_OF_STYLE)
		waits = fe->acks == FRONT_END_ACKS_ALWAYS;
	if (waits && front_end_speaks(fe, FB_VHOST_REPLY_ACK))
		return front_end_ack(fe, request, payload, size, fds, fd_count);
	return front_end_send(fe, request, FB_VHOST_VERSION, payload, size, fds, fd_count);
}

static int ask_u64(struct front_end *fe, uint32_t request, uint64_t *ret_value)
{
	struct fb_wire_vhost_u64 answer;
	int r = front_end_ask(fe, request, NULL, 0, &answer, sizeof(answer));

	if (r == 0)
		*ret_value = answer.value;
	return r;
}

int front_end_get_features(struct front_end *fe, uint64_t *ret_features)
{
	return ask_u64(fe, VHOST_GET_FEATURES, ret_features);
}

int front_end_get_protocol_features(struct front_end *fe, uint64_t *ret_features)
{
	return ask_u64(fe, VHOST_GET_PROTOCOL_FEATURES, ret_features);
}

int front_end_get_queue_num(struct front_end *fe, uint64_t *ret_count)
{
	return ask_u64(fe, VHOST_GET_QUEUE_NUM, ret_count);
}

int front_end_get_max_mem_slots(struct front_end *fe, uint64_t *ret_count)
{
	return ask_u64(fe, VHOST_GET_MAX_MEM_SLOTS, ret_count);
}

int front_end_get_vring_base(struct front_end *fe, unsigned ring, uint16_t *ret_base)
{
	struct fb_wire_vhost_ring_state state = { .index = ring };
	struct fb_wire_vhost_ring_state answer;
	int r = front_end_ask(fe, VHOST_GET_VRING_BASE, &state, sizeof(state), &answer,
			      sizeof(answer));

	if (r < 0)
		return r;
	if (answer.index != ring || answer.num > UINT16_MAX)
		return -EPROTO;
	*ret_base = (uint16_t)answer.num;
	return 0;
}

int front_end_get_config(struct front_end *fe, uint32_t offset, void *ret_bytes, uint32_t size)
{
	struct {
		struct fb_wire_vhost_config head;
		uint8_t bytes[FB_VHOST_CONFIG_MAX];
	} payload = { .head = { .offset = offset, .size = size, .flags = 1 } };
	struct front_end_message answer;
	int r;

	if (size > sizeof(payload.bytes))
		return -EINVAL;
	r = front_end_send(fe, VHOST_GET_CONFIG, FB_VHOST_VERSION, &payload,
			   sizeof(payload.head) + size, NULL, 0);
	if (r == 0)
		r = front_end_receive(fe, VHOST_GET_CONFIG, &answer);
	if (r < 0)
		return r;
	front_end_drop(&answer);
	if (answer.header.size == 0)
		return -EREMOTEIO;
	if (answer.header.size < sizeof(payload.head))
		return -EPROTO;
	memcpy(&payload, answer.payload, sizeof(payload.head));
	if (answer.header.size == sizeof(payload.head) && payload.head.size == 0)
		return size == 0 ? 0 : -EREMOTEIO;
	if (answer.header.size != sizeof(payload.head) + size || payload.head.size != size ||
	    payload.head.offset != offset)
		return -EPROTO;
	memcpy(ret_bytes, answer.payload + sizeof(payload.head), size);
	return 0;
}

/* ---- rings and memory ------------------------------------------------------------------------ */

int front_end_tell_ring(struct front_end *fe, bool waits, uint32_t request, unsigned ring,
			uint32_t num)
{
	struct fb_wire_vhost_ring_state state = { .index = ring, .num = num };

	return front_end_tell(fe, waits, request, &state, sizeof(state), NULL, 0);
}

int front_end_tell_ring_fd(struct front_end *fe, bool waits, uint32_t request, unsigned ring,
			   int fd)
{
	struct fb_wire_vhost_u64 number = { ring | (fd < 0 ? FB_VHOST_RING_NO_FD : 0) };

	return front_end_tell(fe, waits, request, &number, sizeof(number), &fd, fd >= 0);
}

int front_end_tell_ring_addr(struct front_end *fe, bool waits, unsigned ring, uint32_t flags,
			     const struct guest_ram *ram, const struct front_end_ring *addresses)
{
	struct fb_wire_vhost_ring_addr addr = {
		.index = ring,
		.flags = flags,
		.desc = guest_ram_user(ram, addresses->desc),
		.used = guest_ram_user(ram, addresses->used_at),
		.avail = guest_ram_user(ram, addresses->avail),
		.log = flags & FB_VHOST_RING_LOG ? addresses->used_at : 0,
	};

	return front_end_tell(fe, waits, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

int front_end_add_region(struct front_end *fe, const struct guest_ram *ram, unsigned region)
{
	struct fb_wire_vhost_slot slot = { .region = ram->regions[region].wire };
	int r = front_end_tell(fe, true, VHOST_ADD_MEM_REG, &slot, sizeof(slot),
			       &ram->regions[region].fd, 1);

	if (r == 0)
		fe->known[region] = true;
	return r;
}

int front_end_remove_region(struct front_end *fe, const struct guest_ram *ram, unsigned region)
{
	struct fb_wire_vhost_slot slot = { .region = ram->regions[region].wire };
	int r;

	slot.region.offset = 0; /* not looked at, so QEMU sends none */
	r = front_end_tell(fe, true, VHOST_REM_MEM_REG, &slot, sizeof(slot), NULL, 0);
	if (r == 0)
		fe->known[region] = false;
	return r;
}

int front_end_set_mem_table(struct front_end *fe, bool waits, const struct guest_ram *ram)
{
	struct {
		struct fb_wire_vhost_memory head;
		struct fb_wire_vhost_region regions[GUEST_RAM_REGIONS_MAX];
	} table = { 0 };
	int fds[GUEST_RAM_REGIONS_MAX];
	unsigned count = 0;
	int r;

	for (unsigned i = 0; i < ram->count; i++) {
		if (ram->regions[i].fd < 0)
			continue;
		table.regions[count] = ram->regions[i].wire;
		fds[count++] = ram->regions[i].fd;
	}
	table.head.count = count;
	r = front_end_tell(fe, waits, VHOST_SET_MEM_TABLE, &table,
			   sizeof(table.head) + count * sizeof(table.regions[0]), fds, count);
	for (unsigned i = 0; r == 0 && i < ram->count; i++)
		fe->known[i] = ram->regions[i].fd >= 0;
	return r;
}

int front_end_set_log_base(struct front_end *fe, uint64_t size, uint64_t offset, int fd)
{
	struct fb_wire_vhost_log log = { .size = size, .offset = offset };
	struct fb_wire_vhost_log answer;
	int r = front_end_send(fe, VHOST_SET_LOG_BASE, FB_VHOST_VERSION, &log, sizeof(log), &fd, 1);

	if (r == 0)
		r = read_answer(fe, VHOST_SET_LOG_BASE, &answer, sizeof(answer));
	if (r == 0 && memcmp(&log, &answer, sizeof(log)) != 0)
		r = -EPROTO;
	return r;
}
