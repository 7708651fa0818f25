/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a session, to be handed over to another server: what was agreed with the client, and
 * what the driver knows of its nodes and open files (fb_driver_ops.save and load).
 */
#ifndef FB_CORE_STATE_H
#define FB_CORE_STATE_H

#include <libfb/driver.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a state at most; enough for some million nodes. */
#define FB_STATE_MAX ((size_t)1 << 30)

/* Zeros are an empty one. */
struct fb_state {
	uint8_t *bytes;
	size_t size, room;
};

void fb_state_fini(struct fb_state *state);

/* Say whether the driver can hand its state over. */
bool fb_state_is_possible(const struct fb_session *session);

/*
 * Save the session, which goes on as it is; nothing is under way. One that was not greeted is saved
 * as such. Returns 0 and the state, or -errno with a sentence.
 */
int fb_state_save(struct fb_session *session, struct fb_state *ret_state) FB_MUST_CHECK;

/*
 * Look at the first size bytes of a state: how many it is going to have. Returns 1; 0 when it takes
 * more bytes to know that; or -errno with a sentence when they are not the beginning of a state.
 */
int fb_state_measure(const void *bytes, size_t size, size_t *ret_size) FB_MUST_CHECK;

/*
 * Have the session go on with a state that another one saved; nothing is under way. A client that
 * was served before is gone then. Returns 0, or -errno with a sentence: then nobody is served until
 * the next greeting.
 */
int fb_state_load(struct fb_session *session, const void *bytes, size_t size) FB_MUST_CHECK;

#endif
