/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any state of a client that comes from another server: it is refused, or the client can be served,
 * moved on and dropped; nothing stays open, and nothing outside of the share is reached.
 *
 * Input: a byte of flags, then a whole state, or with FLAG_DRIVER the passthrough driver's bytes, for
 * which a head is made here.
 */
#include <endian.h>
#include <fcntl.h>
#include <libfb/fb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "core/state.h"
#include "drivers/passthrough/state.h"
#include "passthrough_scratch.h"
#include "protocol/wire_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAG_DRIVER 0x01
#define FLAG_GUEST_ERROR 0x02
#define FLAG_NO_HANDLES 0x04
#define NODES 12

static struct scratch scratch;

static unsigned count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- a state ----------------------------------------------------------------------------------- */

static void seal(struct fb_state *state)
{
	struct fb_wire_state *head = (void *)state->bytes;
	uint32_t sum = UINT32_MAX;

	head->size = htole64(state->size);
	for (size_t i = FB_STATE_CHECKED; i < state->size; i++) {
		sum ^= state->bytes[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
	}
	head->checksum = htole32(~sum);
}

/* These bytes as if a session like this one had saved them. */
static void make_state(struct fb_session *session, const uint8_t *data, size_t size,
		       struct fb_state *ret_state)
{
	CHECK(fb_state_save(session, ret_state) == 0);
	ret_state->size = sizeof(struct fb_wire_state);
	CHECK(fb_state_put(ret_state, data, size) == 0);
	seal(ret_state);
}

/* ---- a client ---------------------------------------------------------------------------------- */

static void ask(struct fb_loopback *loop, uint32_t opcode, uint64_t node, const void *in,
		size_t in_size)
{
	struct {
		struct fb_wire_in_header header;
		uint8_t body[64];
	} message = { .header = { .len = (uint32_t)(sizeof(message.header) + in_size),
				  .opcode = opcode,
				  .unique = 4,
				  .nodeid = node } };
	uint8_t answer[8192];

	memcpy(message.body, in, in_size);
	(void)!fb_loopback_send(loop, &message, message.header.len, answer, sizeof(answer));
}

/* Use what the first nodes and open files may be, then give one of them back. */
static void use(struct fb_loopback *loop)
{
	for (uint64_t node = 1; node < NODES; node++) {
		const struct fb_wire_getattr_in attr = { 0 };
		const struct fb_wire_open_in open = { .flags = O_RDONLY };

		ask(loop, FB_OP_GETATTR, node, &attr, sizeof(attr));
		ask(loop, FB_OP_OPEN, node, &open, sizeof(open));
		for (uint64_t slot = 0; slot < 4; slot++) {
			const struct fb_wire_read_in read = { .fh = UINT64_C(1) << 32 | slot,
							      .size = 4096 };

			ask(loop, FB_OP_READ, node, &read, sizeof(read));
			ask(loop, FB_OP_READDIR, node, &read, sizeof(read));
		}
	}
	ask(loop, FB_OP_FORGET, 2, &(struct fb_wire_forget_in){ .nlookup = 1 },
	    sizeof(struct fb_wire_forget_in));
}

static void play(struct fb_session *session, struct fb_loopback *loop, const struct fb_state *state)
{
	struct fb_state again = { 0 };

	if (fb_state_load(session, state->bytes, state->size) < 0)
		return;
	use(loop);
	/* What came can go on, and be taken again: there is nothing in it that was not before. */
	if (fb_state_save(session, &again) == 0) {
		(void)!fb_state_load(session, again.bytes, again.size);
		use(loop);
	}
	fb_state_fini(&again);
}

static void run(uint8_t flags, const uint8_t *data, size_t size)
{
	const struct fb_passthrough_options options = {
		.size = sizeof(options),
		.max_descriptors = 100,
		.handles = flags & FLAG_NO_HANDLES ? FB_HANDLES_NEVER : FB_HANDLES_PREFER,
		.migration_on_error =
			flags & FLAG_GUEST_ERROR ? FB_MIGRATION_GUEST_ERROR : FB_MIGRATION_ABORT,
	};
	const struct fb_session_options how = { .size = sizeof(how), .max_write = 65536 };
	struct fb_passthrough *driver;
	struct fb_session *session;
	struct fb_state state = { 0 };
	struct fb_loopback *loop;

	CHECK(fb_passthrough_new(scratch.source, &options, &driver) == 0);
	CHECK(fb_session_new(fb_passthrough_ops(driver), driver, &how, &session) == 0);
	CHECK(fb_loopback_new(session, NULL, &loop) == 0);
	if (flags & FLAG_DRIVER)
		make_state(session, data, size, &state);
	else
		CHECK(fb_state_put(&state, data, size) == 0);
	play(session, loop, &state);
	fb_state_fini(&state);
	fb_loopback_free(loop);
	fb_session_unref(session);
	CHECK(atomic_load(&driver->budget.taken) == 0);
	fb_passthrough_free(driver);
}

static void clean_up(void)
{
	scratch_remove(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before;

	if (size < 1)
		return 0;
	if (!scratch.base[0]) {
		scratch_make(&scratch);
		scratch_fill(&scratch);
		atexit(clean_up);
	}
	before = count_descriptors();
	run(data[0], data + 1, size - 1);
	CHECK(count_descriptors() == before);
	scratch_check(&scratch);
	return 0;
}
