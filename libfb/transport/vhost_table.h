/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user messages that a front end sends: the only place that lists them.
 *
 * Columns:
 *   number   the request on the wire
 *   NAME     its name, VHOST_USER_NAME in the specification
 *   payload  what it carries, struct fb_wire_vhost_…; none = nothing
 *   more     MORE when bytes follow the struct, EXACT when not
 *   fds      descriptors that come along: FDS(least, most)
 *   ring     how it names a ring: RING_NONE; RING_STATE: the first 4 bytes; RING_FD: the low 8 bits,
 *            with a bit that says whether a descriptor is there
 *   feature  the protocol feature that it needs, or ALWAYS
 *   reply    the answer: ACK = none but the acknowledgement that the front end may ask for; else the
 *            struct (with MORE: and what follows). Messages with an answer only ask; the others change
 *            something
 *   handler  suffix of the function that serves it; refuse = nobody
 */
#ifndef FB_TRANSPORT_VHOST_TABLE_H
#define FB_TRANSPORT_VHOST_TABLE_H

/* clang-format off */
#define FB_VHOST_TABLE(X)                                                                          \
	X(1, GET_FEATURES, none, EXACT, FDS(0, 0), RING_NONE, ALWAYS, u64, get_features)           \
	X(2, SET_FEATURES, u64, EXACT, FDS(0, 0), RING_NONE, ALWAYS, ACK, set_features)            \
	X(3, SET_OWNER, none, EXACT, FDS(0, 0), RING_NONE, ALWAYS, ACK, set_owner)                 \
	X(4, RESET_OWNER, none, EXACT, FDS(0, 0), RING_NONE, ALWAYS, ACK, reset_owner)             \
	X(5, SET_MEM_TABLE, memory, MORE, FDS(0, 32), RING_NONE, ALWAYS, ACK, set_mem_table)       \
	X(6, SET_LOG_BASE, log, EXACT, FDS(1, 1), RING_NONE, LOG_SHMFD, log, set_log_base)         \
	X(7, SET_LOG_FD, none, EXACT, FDS(1, 1), RING_NONE, ALWAYS, ACK, set_log_fd)               \
	X(8, SET_VRING_NUM, ring_state, EXACT, FDS(0, 0), RING_STATE, ALWAYS, ACK, set_vring_num)  \
	X(9, SET_VRING_ADDR, ring_addr, EXACT, FDS(0, 0), RING_STATE, ALWAYS, ACK, set_vring_addr) \
	X(10, SET_VRING_BASE, ring_state, EXACT, FDS(0, 0), RING_STATE, ALWAYS, ACK,               \
	  set_vring_base)                                                                          \
	X(11, GET_VRING_BASE, ring_state, EXACT, FDS(0, 0), RING_STATE, ALWAYS, ring_state,        \
	  get_vring_base)                                                                          \
	X(12, SET_VRING_KICK, u64, EXACT, FDS(0, 1), RING_FD, ALWAYS, ACK, set_vring_kick)         \
	X(13, SET_VRING_CALL, u64, EXACT, FDS(0, 1), RING_FD, ALWAYS, ACK, set_vring_call)         \
	X(14, SET_VRING_ERR, u64, EXACT, FDS(0, 1), RING_FD, ALWAYS, ACK, set_vring_err)           \
	X(15, GET_PROTOCOL_FEATURES, none, EXACT, FDS(0, 0), RING_NONE, ALWAYS, u64,               \
	  get_protocol_features)                                                                   \
	X(16, SET_PROTOCOL_FEATURES, u64, EXACT, FDS(0, 0), RING_NONE, ALWAYS, ACK,                \
	  set_protocol_features)                                                                   \
	X(17, GET_QUEUE_NUM, none, EXACT, FDS(0, 0), RING_NONE, MQ, u64, get_queue_num)            \
	X(18, SET_VRING_ENABLE, ring_state, EXACT, FDS(0, 0), RING_STATE, ALWAYS, ACK,             \
	  set_vring_enable)                                                                        \
	X(21, SET_BACKEND_REQ_FD, none, EXACT, FDS(1, 1), RING_NONE, BACKEND_REQ, ACK,             \
	  set_backend_req_fd)                                                                      \
	X(24, GET_CONFIG, config, MORE, FDS(0, 0), RING_NONE, CONFIG, config, get_config)          \
	X(25, SET_CONFIG, config, MORE, FDS(0, 0), RING_NONE, CONFIG, ACK, refuse)                 \
	X(34, RESET_DEVICE, none, EXACT, FDS(0, 0), RING_NONE, RESET_DEVICE, ACK, reset_device)    \
	X(36, GET_MAX_MEM_SLOTS, none, EXACT, FDS(0, 0), RING_NONE, CONFIGURE_MEM_SLOTS, u64,      \
	  get_max_mem_slots)                                                                       \
	X(37, ADD_MEM_REG, slot, EXACT, FDS(1, 1), RING_NONE, CONFIGURE_MEM_SLOTS, ACK,            \
	  add_mem_reg)                                                                             \
	X(38, REM_MEM_REG, slot, EXACT, FDS(0, 1), RING_NONE, CONFIGURE_MEM_SLOTS, ACK,            \
	  rem_mem_reg)                                                                             \
	X(42, SET_DEVICE_STATE_FD, state_fd, EXACT, FDS(1, 1), RING_NONE, DEVICE_STATE, result,    \
	  set_device_state_fd)                                                                     \
	X(43, CHECK_DEVICE_STATE, none, EXACT, FDS(0, 0), RING_NONE, DEVICE_STATE, result,         \
	  check_device_state)
/* clang-format on */

#endif
