/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual machine monitor's side of a vhost-user socket: single messages, and the orders that
 * QEMU, cloud-hypervisor and crosvm send them in.
 *
 * Functions return 0 or -errno: -EREMOTEIO when the device refused a message, -ECONNRESET when it
 * hung up, -ETIMEDOUT when no answer came, -EPROTO when the answer is not what it has to be,
 * -ECANCELED when the budget was used up.
 */
#ifndef TESTS_FRONT_END_H
#define TESTS_FRONT_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_ram.h"
#include "transport/vhost_table.h"
#include "transport/vhost_wire.h"

#define FRONT_END_TIMEOUT_MS 10000
#define FRONT_END_RINGS_MAX 256u

/* Requests, by the names of the specification. */
enum front_end_request {
#define FB_X(number, name, ...) VHOST_##name = (number),
	FB_VHOST_TABLE(FB_X)
#undef FB_X
};

enum front_end_style {
	FRONT_END_QEMU7,
	FRONT_END_QEMU10,
	FRONT_END_CLOUD_HYPERVISOR,
	FRONT_END_CROSVM,
};

/* Which messages ask for an acknowledgement. */
enum front_end_acks {
	FRONT_END_ACKS_OF_STYLE,
	FRONT_END_ACKS_ALWAYS, /* all that can, once it was negotiated */
	FRONT_END_ACKS_NEVER,
};

struct front_end {
	int socket;
	int backend_fd; /* our end of what went over with SET_BACKEND_REQ_FD, or -1 */

	/* For the test to set. */
	int timeout_ms;
	enum front_end_acks acks;
	bool bytewise; /* send each byte by itself */
	bool glue;     /* keep messages back until one must go: it has descriptors or is answered */
	int budget;    /* messages that may still be sent; -1: any number */

	/* What came out of the handshake. */
	uint64_t offered, features;             /* of the device: all, those that were taken */
	uint64_t offered_protocol, protocol;    /* of the protocol */
	uint64_t queue_num, max_slots;          /* 0: not asked */
	struct fb_wire_virtio_fs_config config; /* CROSVM only */
	bool features_sent;                     /* since the handshake: CROSVM sends them once */
	bool known[GUEST_RAM_REGIONS_MAX];      /* regions that the device was told of */

	unsigned sent; /* messages, ever */
	uint8_t kept[2 * FB_VHOST_PAYLOAD_MAX];
	size_t kept_size;
};

struct front_end_message {
	struct fb_wire_vhost_header header;
	_Alignas(8) uint8_t payload[FB_VHOST_PAYLOAD_MAX];
	int fds[FB_VHOST_FDS_MAX]; /* the receiver's to close: front_end_drop() */
	unsigned fd_count;
};

/* A ring as the monitor knows it. */
struct front_end_ring {
	bool used; /* the guest's driver has set it up */
	uint32_t num;
	uint16_t base; /* given at the start; at a stop, what the device answered */
	uint64_t desc; /* guest addresses */
	uint64_t avail, used_at;
	int kick, call, masked,
		err; /* masked: stands in for call while the guest may not be called */
};

struct front_end_machine {
	const struct guest_ram *ram;
	struct front_end_ring *rings;
	unsigned ring_count;
	uint64_t features; /* FB_VIRTIO_F_* that the driver takes if they are offered */
};

/* ---- connection ------------------------------------------------------------------------------ */

int front_end_connect(struct front_end *fe, const char *path);
/* A socket that is connected; it is taken over. */
void front_end_adopt(struct front_end *fe, int socket);
/* Hang up without a word. */
void front_end_close(struct front_end *fe);

/* ---- single messages ------------------------------------------------------------------------- */

/* Send as it stands: flags and all. */
int front_end_send(struct front_end *fe, uint32_t request, uint32_t flags, const void *payload,
		   size_t size, const int *fds, unsigned fd_count);
/* Send bytes that need not be a message. */
int front_end_send_bytes(struct front_end *fe, const void *bytes, size_t size, const int *fds,
			 unsigned fd_count);
/* Send what glue kept back. */
int front_end_flush(struct front_end *fe);
/* Wait for an answer; it must be one of this request. */
int front_end_receive(struct front_end *fe, uint32_t request,
		      struct front_end_message *ret_message);
void front_end_drop(struct front_end_message *message);
/* Wait until the device hangs up: 0, -ETIMEDOUT, or -EPROTO when it sends something instead. */
int front_end_wait_hangup(struct front_end *fe);

/* Send with need_reply set, and read the acknowledgement. */
int front_end_ack(struct front_end *fe, uint32_t request, const void *payload, size_t size,
		  const int *fds, unsigned fd_count);
/* Send, and ask for an acknowledgement if acks says so or, with ACKS_OF_STYLE, if waits is set. */
int front_end_tell(struct front_end *fe, bool waits, uint32_t request, const void *payload,
		   size_t size, const int *fds, unsigned fd_count);
/* Send, and read an answer of exactly this size, with no descriptors. */
int front_end_ask(struct front_end *fe, uint32_t request, const void *payload, size_t size,
		  void *ret_answer, size_t answer_size);

int front_end_get_features(struct front_end *fe, uint64_t *ret_features);
int front_end_get_protocol_features(struct front_end *fe, uint64_t *ret_features);
int front_end_get_queue_num(struct front_end *fe, uint64_t *ret_count);
int front_end_get_max_mem_slots(struct front_end *fe, uint64_t *ret_count);
int front_end_get_vring_base(struct front_end *fe, unsigned ring, uint16_t *ret_base);
/* -EREMOTEIO when the device answers with its sign of an error. */
int front_end_get_config(struct front_end *fe, uint32_t offset, void *ret_bytes, uint32_t size);

/* Any message with a ring and a number; one with a ring's descriptor (-1: none); the addresses. */
int front_end_tell_ring(struct front_end *fe, bool waits, uint32_t request, unsigned ring,
			uint32_t num);
int front_end_tell_ring_fd(struct front_end *fe, bool waits, uint32_t request, unsigned ring,
			   int fd);
int front_end_tell_ring_addr(struct front_end *fe, bool waits, unsigned ring, uint32_t flags,
			     const struct guest_ram *ram, const struct front_end_ring *addresses);

/* Regions one by one, with an acknowledgement, and all together. */
int front_end_add_region(struct front_end *fe, const struct guest_ram *ram, unsigned region);
int front_end_remove_region(struct front_end *fe, const struct guest_ram *ram, unsigned region);
int front_end_set_mem_table(struct front_end *fe, bool waits, const struct guest_ram *ram);
/* The answer must be the 16 bytes that were sent. */
int front_end_set_log_base(struct front_end *fe, uint64_t size, uint64_t offset, int fd);

/* Have the state transferred over fd, and ask how it went: the answers as they come. */
int front_end_set_state_fd(struct front_end *fe, uint32_t direction, uint32_t phase, int fd,
			   uint64_t *ret_answer);
int front_end_check_state(struct front_end *fe, uint64_t *ret_answer);

/* ---- orders ---------------------------------------------------------------------------------- */

bool front_end_speaks(const struct front_end *fe, enum fb_vhost_feature feature);

/* From the connection to the moment when the guest's driver may start. */
int front_end_handshake(struct front_end *fe, enum front_end_style style,
			const struct front_end_machine *machine);
/* cloud-hypervisor's handshake after it lost the connection: it keeps to what was negotiated. */
int front_end_rejoin(struct front_end *fe, uint64_t protocol);
/* The driver starts, or the machine goes on after a stop. */
int front_end_start(struct front_end *fe, enum front_end_style style,
		    const struct front_end_machine *machine);
/* The driver or the machine stops; each used ring's base becomes what the device answers. */
int front_end_stop(struct front_end *fe, enum front_end_style style,
		   struct front_end_machine *machine);
/*
 * With all rings stopped: read the state of the device (*ret_bytes is to be freed), or have it go on
 * with one, before the start. QEMU and crosvm use a pipe, cloud-hypervisor a socket. -EREMOTEIO
 * when the device says that it failed, in its first or in its last answer.
 */
int front_end_save(struct front_end *fe, enum front_end_style style, uint8_t **ret_bytes,
		   size_t *ret_size);
int front_end_load(struct front_end *fe, enum front_end_style style, const uint8_t *bytes,
		   size_t size);
/* CLOUD_HYPERVISOR's pause and resume: the rings stay started. */
int front_end_enable(struct front_end *fe, bool waits, const struct front_end_machine *machine,
		     bool enable);

#endif
