/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/state.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/init.h"
#include "core/scope.h"
#include "core/session.h"
#include "protocol/wire_state.h"

#define ROOM_MIN 4096u

/* ---- bytes ----------------------------------------------------------------------------------- */

/* CRC-32 as of zlib and Ethernet, half a byte at a time. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		sum ^= bytes[i];
		sum = (sum >> 4) ^ table[sum & 15];
		sum = (sum >> 4) ^ table[sum & 15];
	}
	return ~sum;
}

void fb_state_fini(struct fb_state *state)
{
	free(state->bytes);
	*state = (struct fb_state){ 0 };
}

int fb_state_put(struct fb_state *to, const void *data, size_t size)
{
	size_t room = to->room ? to->room : ROOM_MIN;
	uint8_t *grown;

	if (size > FB_STATE_MAX - to->size)
		return fb_fail(E2BIG, "the state is larger than %zu bytes", FB_STATE_MAX);
	while (room - to->size < size)
		room *= 2;
	if (room > to->room) {
		grown = realloc(to->bytes, room);
		if (!grown)
			return fb_fail(ENOMEM, "no memory for a state of %zu bytes", room);
		to->bytes = grown;
		to->room = room;
	}
	if (size > 0)
		memcpy(to->bytes + to->size, data, size);
	to->size += size;
	return 0;
}

/* ---- saving ---------------------------------------------------------------------------------- */

bool fb_state_is_possible(const struct fb_session *session)
{
	return session->ops.save && session->ops.load;
}

static int check_possible(const struct fb_session *session)
{
	if (!fb_state_is_possible(session))
		return fb_fail(EOPNOTSUPP, "the driver can not hand its state over");
	return 0;
}

static struct fb_wire_state describe(struct fb_session *session, bool greeted)
{
	struct fb_wire_state head = { .version = htole32(FB_STATE_VERSION) };
	struct fb_conn conn = { .size = sizeof(conn) };
	uint32_t flags = 0;

	memcpy(head.magic, FB_STATE_MAGIC, sizeof(head.magic));
	if (!greeted)
		return head;
	fb_session_conn(session, &conn);
	flags |= conn.stateless_open ? FB_STATE_STATELESS_OPEN : 0;
	flags |= conn.stateless_opendir ? FB_STATE_STATELESS_OPENDIR : 0;
	flags |= conn.default_permissions ? FB_STATE_DEFAULT_PERMISSIONS : 0;
	head.granted = htole64(conn.wanted);
	head.minor = htole32(conn.minor);
	head.max_write = htole32(conn.max_write);
	head.time_gran_ns = htole32(conn.time_gran_ns);
	head.flags = htole32(flags);
	return head;
}

/* What the core itself can not hand over. */
static int check_movable(struct fb_session *session)
{
	if (atomic_load(&session->pending) > 0)
		return fb_fail(EBUSY, "%u requests are still with the driver",
			       atomic_load(&session->pending));
	if (fb_backings_count(&session->backings) > 0)
		return fb_fail(EOPNOTSUPP, "data of open files goes past the driver, through "
					   "descriptors that can not be handed over");
	return 0;
}

static int save_driver(struct fb_session *session, struct fb_state *state)
{
	int r = check_movable(session);

	if (r < 0)
		return r;
	fb_session_quiesce(session);
	/* For a driver that gives no reason. */
	(void)fb_fail(EIO, "the driver could not save its state");
	r = session->ops.save(session->self, state);
	return r > 0 ? fb_fail(EIO, "the driver's save returned %d", r) : r;
}

/* Size and sum are known now. */
static void seal(struct fb_state *state)
{
	struct fb_wire_state *head = (void *)state->bytes;

	assert(head && state->size >= sizeof(*head));
	head->size = htole64(state->size);
	head->checksum =
		htole32(checksum(state->bytes + FB_STATE_CHECKED, state->size - FB_STATE_CHECKED));
}

int fb_state_save(struct fb_session *session, struct fb_state *ret_state)
{
	struct fb_state state = { 0 };
	struct fb_wire_state head;
	bool greeted;
	int r = check_possible(session);

	if (r < 0)
		return r;
	FB_SCOPED_LOCK(&session->greet_lock);
	greeted = atomic_load(&session->phase) == FB_PHASE_READY;
	head = describe(session, greeted);
	r = fb_state_put(&state, &head, sizeof(head));
	if (r == 0 && greeted)
		r = save_driver(session, &state);
	if (r < 0) {
		fb_state_fini(&state);
		return r;
	}
	seal(&state);
	*ret_state = state;
	return 0;
}

/* ---- loading --------------------------------------------------------------------------------- */

int fb_state_measure(const void *bytes, size_t size, size_t *ret_size)
{
	struct fb_wire_state head;
	uint64_t whole;

	if (size < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, FB_STATE_MAGIC, sizeof(head.magic)) != 0)
		return fb_fail(EINVAL, "this is not a state that libfb saved");
	if (le32toh(head.version) != FB_STATE_VERSION)
		return fb_fail(EPROTO, "a state of version %u; version %u is needed",
			       le32toh(head.version), FB_STATE_VERSION);
	whole = le64toh(head.size);
	if (whole < sizeof(head) || whole > FB_STATE_MAX)
		return fb_fail(EINVAL, "a state of %ju bytes is impossible", (uintmax_t)whole);
	*ret_size = (size_t)whole;
	return 1;
}

static int check(const uint8_t *bytes, size_t size, struct fb_wire_state *ret_head)
{
	size_t whole = 0;
	int r = fb_state_measure(bytes, size, &whole);

	if (r < 0)
		return r;
	if (r == 0 || size < whole)
		return fb_fail(EINVAL, "the state is cut off after %zu bytes", size);
	if (size > whole)
		return fb_fail(EINVAL, "there are bytes behind the state");
	memcpy(ret_head, bytes, sizeof(*ret_head));
	if (checksum(bytes + FB_STATE_CHECKED, size - FB_STATE_CHECKED) !=
	    le32toh(ret_head->checksum))
		return fb_fail(EINVAL, "the state is damaged: its checksum is wrong");
	if (le32toh(ret_head->flags) & ~FB_STATE_FLAGS)
		return fb_fail(EPROTO, "the state has flags that are not known: %#x",
			       le32toh(ret_head->flags));
	if (ret_head->minor == 0 && size > sizeof(*ret_head))
		return fb_fail(EINVAL, "the state is of no client, but not empty");
	return 0;
}

static struct fb_init_agreed agreed(const struct fb_wire_state *head)
{
	uint32_t flags = le32toh(head->flags);

	return (struct fb_init_agreed){
		.granted = le64toh(head->granted),
		.minor = le32toh(head->minor),
		.max_write = le32toh(head->max_write),
		.time_gran_ns = le32toh(head->time_gran_ns),
		.stateless_open = flags & FB_STATE_STATELESS_OPEN,
		.stateless_opendir = flags & FB_STATE_STATELESS_OPENDIR,
		.default_permissions = flags & FB_STATE_DEFAULT_PERMISSIONS,
	};
}

/* Start the driver with what was agreed, and have it take over. */
static int resume(struct fb_session *session, const struct fb_wire_state *head,
		  const uint8_t *state, size_t size)
{
	const struct fb_init_agreed was = agreed(head);
	int r = fb_init_resume(session, &was);

	if (r < 0)
		return r;
	(void)fb_fail(EIO, "the driver could not load its state");
	r = session->ops.load(session->self, state, size);
	return r > 0 ? fb_fail(EIO, "the driver's load returned %d", r) : r;
}

int fb_state_load(struct fb_session *session, const void *bytes, size_t size)
{
	const uint8_t *state = bytes;
	struct fb_wire_state head = { 0 };
	int r = check_possible(session);

	if (r == 0)
		r = check(state, size, &head);
	if (r < 0)
		return r;
	FB_SCOPED_LOCK(&session->greet_lock);
	if (atomic_load(&session->phase) == FB_PHASE_READY)
		fb_session_end(session, NULL);
	if (head.minor == 0)
		return 0;
	r = resume(session, &head, state + sizeof(head), size - sizeof(head));
	if (r < 0)
		fb_session_end(session, NULL);
	else
		fb_session_set_phase(session, FB_PHASE_READY);
	return r;
}
