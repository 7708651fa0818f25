/* SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "share_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct device device;
struct guest *guest;
struct guest_caller first, other;

static unsigned descriptors_before, mappings_before;

/* ---- before and after -------------------------------------------------------------------------- */

static void new_guest(const struct guest_options *with)
{
	struct guest_options options = *with;

	options.fd = device.fd;
	assert_int_equal(guest_new(&options, &guest), 0);
	first = guest_self(guest, GUEST_REQUESTS);
	other = guest_self(guest, OTHER);
}

static void begin(const struct fb_passthrough_options *share,
		  const struct fb_session_options *session)
{
	device_begin(&device, share, session);
	new_guest(&(struct guest_options){ .style = FRONT_END_QEMU10, .queues = 2 });
	greet(FLAGS);
}

static void end(void)
{
	guest_free(guest);
	guest = NULL;
	assert_int_equal(device_wait(&device), 0);
	device_end(&device);
}

int set_up(void **state)
{
	(void)state;
	descriptors_before = share_descriptors();
	mappings_before = count_mappings();
	begin(NULL, NULL);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	end();
	assert_int_equal(share_descriptors(), descriptors_before);
	assert_int_equal(count_mappings(), mappings_before);
	return 0;
}

void share_anew(const struct fb_passthrough_options *share,
		const struct fb_session_options *session)
{
	end();
	begin(share, session);
}

void connect_anew(const struct guest_options *options)
{
	guest_free(guest);
	if (device.session)
		assert_int_equal(device_wait(&device), 0);
	device_again(&device);
	new_guest(options);
}

void greet(uint64_t flags)
{
	uint64_t features;

	assert_int_equal(guest_init(guest, MINOR, flags, NULL), 0);
	/*
	 * All that was told before has been heard when this is answered. Before that a descriptor
	 * that another one replaces may still be open, and a test that counts them is out by one.
	 */
	assert_int_equal(front_end_get_features(&guest->fe, &features), 0);
}

/* ---- the proof --------------------------------------------------------------------------------- */

void lives(void)
{
	struct fb_wire_attr attr;

	assert_int_equal(guest_getattr(&other, GUEST_ROOT, &attr), 0);
	assert_int_equal(guest_forget(guest, 4711, 1), 0);
}

void works(void)
{
	struct fb_wire_attr attr;

	lives();
	assert_int_equal(guest_getattr(&first, GUEST_ROOT, &attr), 0);
}

struct guest_ring *ring(void)
{
	return &guest->queues[GUEST_REQUESTS].ring;
}

void restart(void)
{
	if (guest->started)
		assert_int_equal(guest_stop(guest), 0);
	guest_reset_rings(guest, 0);
	assert_int_equal(guest_start(guest), 0);
}

void broken(void)
{
	bool told = false;

	for (unsigned i = 0; i < 1000 && !told; i++) {
		usleep(5000);
		told = guest_ring_failed(guest, GUEST_REQUESTS);
	}
	assert_true(told);
	assert_false(guest_ring_has_used(ring()));
	lives();
	restart();
	works();
}

/* ---- requests ------------------------------------------------------------------------------------ */

struct request request(uint32_t opcode, uint64_t node, const void *body, size_t size)
{
	struct request r = { .header = { .len = (uint32_t)(IN_HEADER + size),
					 .opcode = opcode,
					 .unique = guest_unique(guest),
					 .nodeid = node } };

	assert_true(size <= sizeof(r.body));
	memcpy(r.body, body, size);
	return r;
}

int ask(const void *message, size_t size, size_t room)
{
	uint8_t answer[8192];
	struct fb_wire_out_header header;
	size_t len = 0;
	int r;

	assert_true(room <= sizeof(answer));
	r = guest_call(guest, GUEST_REQUESTS, message, size, answer, room, &len);
	if (r < 0)
		return r;
	assert_true(len >= sizeof(header));
	memcpy(&header, answer, sizeof(header));
	return header.error;
}

struct fb_wire_create_out make_file(const char *name)
{
	struct fb_wire_create_out made;

	assert_int_equal(guest_create(&other, GUEST_ROOT, name, O_RDWR, 0600, &made), 0);
	return made;
}

struct guest_request *ask_for_lock(const struct fb_wire_create_out *file, uint64_t owner,
				   uint64_t unique)
{
	struct {
		struct fb_wire_in_header header;
		struct fb_wire_lk_in in;
	} message = {
		.header = { .len = sizeof(message),
			    .opcode = FB_OP_SETLKW,
			    .unique = unique,
			    .nodeid = file->entry.nodeid },
		.in = { .fh = file->open.fh,
			.owner = owner,
			.lk = { .end = INT64_MAX, .type = F_WRLCK } },
	};
	struct guest_request *asked;

	assert_int_equal(guest_submit(guest, GUEST_REQUESTS, &message, sizeof(message), 64, &asked),
			 0);
	return asked;
}

int lock_ends(struct guest_request *asked)
{
	struct fb_wire_out_header answer;
	size_t len;

	assert_int_equal(guest_wait(guest, asked, &answer, sizeof(answer), &len), 0);
	return answer.error;
}

void all_is_taken(void)
{
	/* It asks for the next kick when there is nothing more to take. */
	for (unsigned ms = 0; guest_ring_load(guest_ring_avail_event(ring())) != ring()->avail_idx;
	     ms++) {
		assert_true(ms < 10000);
		usleep(1000);
	}
}

struct guest_request *wait_for_lock(const char *name)
{
	struct fb_wire_create_out made = make_file(name);
	struct guest_request *asked;

	assert_int_equal(lock_ends(ask_for_lock(&made, 1, guest_unique(guest))), 0);
	asked = ask_for_lock(&made, 2, guest_unique(guest));
	all_is_taken();
	return asked;
}

const char *host_path(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", device.folder, name);
	return path;
}
