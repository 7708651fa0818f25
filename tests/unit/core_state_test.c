/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session's state: saved, loaded by another session, and everything that a peer can do to it on
 * the way.
 */
#include "cmocka_setup.h"

#include "rig.h"

#include <endian.h>
#include <errno.h>
#include <libfb/log.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/session.h"
#include "core/state.h"
#include "protocol/wire_state.h"

#define HEAD sizeof(struct fb_wire_state)

static struct rig *from, *to;
static struct fb_state saved;

static int set_up(void **state)
{
	(void)state;
	from = rig_start();
	to = rig_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(from);
	rig_end(to);
	fb_state_fini(&saved);
	return 0;
}

static void save(void)
{
	fb_state_fini(&saved);
	assert_int_equal(fb_state_save(from->session, &saved), 0);
}

static struct fb_wire_state *head(void)
{
	return (void *)saved.bytes;
}

/* CRC-32 the slow way, so as to have another opinion. */
static void seal(void)
{
	uint32_t sum = ~0u;

	for (size_t i = FB_STATE_CHECKED; i < saved.size; i++) {
		sum ^= saved.bytes[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
	}
	head()->checksum = htole32(~sum);
}

/* The sentence names the reason, and nobody is served who was not before. */
static void refused(int error, const char *why)
{
	int r = fb_state_load(to->session, saved.bytes, saved.size);

	assert_int_equal(r, -error);
	if (!strstr(fb_last_error(), why))
		fail_msg("'%s' does not say '%s'", fb_last_error(), why);
}

static int conn_of(struct rig *rig, struct fb_conn *ret_conn)
{
	ret_conn->size = sizeof(*ret_conn);
	fb_session_conn(rig->session, ret_conn);
	return atomic_load(&rig->session->phase);
}

static void test_round_trip(void **state)
{
	struct fb_conn before, after;

	(void)state;
	from->mock.bytes = "abc\0def";
	from->mock.bytes_size = 7;
	save();
	assert_int_equal(saved.size, HEAD + 7);
	assert_int_equal(mock_calls(&from->mock, MOCK_destroy), 0);
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), 0);
	/* The client that was there before has gone; this one has not greeted. */
	assert_int_equal(mock_calls(&to->mock, MOCK_destroy), 1);
	assert_int_equal(mock_calls(&to->mock, MOCK_init), 2);
	assert_int_equal(mock_calls(&to->mock, MOCK_load), 1);
	assert_int_equal(to->mock.last.data_size, 7);
	assert_memory_equal(to->mock.last.data, "abc\0def", 7);
	assert_int_equal(conn_of(from, &before), FB_PHASE_READY);
	assert_int_equal(conn_of(to, &after), FB_PHASE_READY);
	assert_int_equal(after.wanted, before.wanted);
	assert_int_equal(after.minor, before.minor);
	assert_int_equal(after.max_write, before.max_write);
	assert_int_equal(after.time_gran_ns, before.time_gran_ns);
	/* Both go on: the one that was left can be gone back to. */
	assert_int_equal(client_getattr(&from->client, 5), 0);
	assert_int_equal(client_getattr(&to->client, 5), 0);
}

static void test_checksum_is_crc32(void **state)
{
	uint32_t sum;

	(void)state;
	save();
	sum = head()->checksum;
	seal();
	assert_int_equal(sum, head()->checksum);
}

/* Many pieces, and more than fits at first. */
static void test_growing(void **state)
{
	struct fb_state all = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(fb_state_put(&all, &i, sizeof(i)), 0);
	assert_int_equal(fb_state_put(&all, NULL, 0), 0);
	assert_int_equal(all.size, 400000);
	for (uint32_t i = 0; i < 100000; i++)
		assert_memory_equal(all.bytes + 4 * (size_t)i, &i, sizeof(i));
	assert_int_equal(fb_state_put(&all, "", FB_STATE_MAX), -E2BIG);
	assert_int_equal(all.size, 400000);
	fb_state_fini(&all);
}

static void test_no_client(void **state)
{
	struct fb_conn conn;

	(void)state;
	assert_int_equal(client_call(&from->client, FB_OP_DESTROY, 0, NULL, 0, NULL, 0), 0);
	save();
	assert_int_equal(saved.size, HEAD);
	assert_int_equal(mock_calls(&from->mock, MOCK_save), 0);
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), 0);
	assert_int_equal(conn_of(to, &conn), FB_PHASE_ENDED);
	assert_int_equal(mock_calls(&to->mock, MOCK_destroy), 1);
	assert_int_equal(mock_calls(&to->mock, MOCK_load), 0);
	/* And into a session that never had one. */
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), 0);
	assert_int_equal(mock_calls(&to->mock, MOCK_destroy), 1);
	/* Bytes of a driver belong to a client. */
	assert_int_equal(fb_state_put(&saved, "x", 1), 0);
	head()->size = htole64(saved.size);
	seal();
	refused(EINVAL, "of no client");
}

static void test_damaged(void **state)
{
	const char *why = "";

	(void)state;
	save();
	for (size_t size = 0; size < saved.size; size++) {
		assert_true(fb_state_load(to->session, saved.bytes, size) < 0);
		why = fb_last_error();
		assert_non_null(strstr(why, "cut off"));
	}
	for (size_t bit = 0; bit < saved.size * 8; bit++) {
		saved.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(fb_state_load(to->session, saved.bytes, saved.size) < 0);
		saved.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(fb_state_put(&saved, "x", 1), 0);
	refused(EINVAL, "behind the state");
	/* The client that is served noticed nothing of all that. */
	assert_int_equal(mock_calls(&to->mock, MOCK_destroy), 0);
	assert_int_equal(mock_calls(&to->mock, MOCK_load), 0);
	assert_int_equal(client_getattr(&to->client, 5), 0);
}

static void test_head(void **state)
{
	size_t size = 1;

	(void)state;
	save();
	assert_int_equal(fb_state_measure(saved.bytes, HEAD - 1, &size), 0);
	assert_int_equal(fb_state_measure(saved.bytes, HEAD, &size), 1);
	assert_int_equal(size, saved.size);
	head()->size = htole64(HEAD - 1);
	refused(EINVAL, "impossible");
	head()->size = htole64(FB_STATE_MAX + 1);
	refused(EINVAL, "impossible");
	save();
	head()->version = htole32(FB_STATE_VERSION + 1);
	refused(EPROTO, "version 2");
	save();
	head()->magic[7]++;
	refused(EINVAL, "not a state");
	save();
	head()->flags |= htole32(FB_STATE_FLAGS + 1);
	seal();
	refused(EPROTO, "flags");
	assert_int_equal(client_getattr(&to->client, 5), 0);
}

/* What one server promised the other one has to keep. */
static void test_promises(void **state)
{
	(void)state;
	save();
	head()->granted |= htole64(FB_INIT_PASSTHROUGH | FB_INIT_BIT(63));
	seal();
	refused(EOPNOTSUPP, "PASSTHROUGH");
	assert_int_equal(atomic_load(&to->session->phase), FB_PHASE_ENDED);
	assert_int_equal(mock_calls(&to->mock, MOCK_init), mock_calls(&to->mock, MOCK_destroy));
	save();
	head()->max_write = htole32(2u << 20);
	seal();
	refused(EOPNOTSUPP, "writes up to");
	head()->max_write = htole32(1);
	seal();
	refused(EOPNOTSUPP, "writes up to");
	save();
	head()->minor = htole32(26);
	seal();
	refused(EPROTO, "7.26");
	head()->minor = htole32(46);
	seal();
	refused(EPROTO, "7.46");
	save();
	head()->flags ^= htole32(FB_STATE_STATELESS_OPENDIR);
	seal();
	refused(EOPNOTSUPP, "stateless");
	save();
	head()->flags ^= htole32(FB_STATE_DEFAULT_PERMISSIONS);
	seal();
	refused(EOPNOTSUPP, "permissions");
	/* Less than is possible is all right. */
	save();
	head()->max_write = htole32(65536);
	head()->granted &= ~htole64(FB_INIT_POSIX_LOCKS);
	seal();
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), 0);
	assert_int_equal(atomic_load(&to->session->max_write), 65536);
	assert_false(atomic_load(&to->session->granted) & FB_INIT_POSIX_LOCKS);
	assert_int_equal(mock_calls(&to->mock, MOCK_init), mock_calls(&to->mock, MOCK_destroy) + 1);
}

static void test_drivers_refuse(void **state)
{
	(void)state;
	mock_force(&from->mock, MOCK_save, -EBUSY);
	assert_int_equal(fb_state_save(from->session, &saved), -EBUSY);
	assert_non_null(strstr(fb_last_error(), "could not save"));
	assert_null(saved.bytes);
	mock_force(&from->mock, MOCK_save, 1);
	assert_int_equal(fb_state_save(from->session, &saved), -EIO);
	mock_unforce(&from->mock, MOCK_save);
	save();
	mock_force(&to->mock, MOCK_load, -ENOMEM);
	refused(ENOMEM, "could not load");
	assert_int_equal(mock_calls(&to->mock, MOCK_init), mock_calls(&to->mock, MOCK_destroy));
	assert_int_equal(atomic_load(&to->session->phase), FB_PHASE_ENDED);
	mock_unforce(&to->mock, MOCK_load);
	mock_force(&to->mock, MOCK_init, -EPERM);
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), -EPERM);
	assert_int_equal(mock_calls(&to->mock, MOCK_load), 1);
	mock_unforce(&to->mock, MOCK_init);
	assert_int_equal(fb_state_load(to->session, saved.bytes, saved.size), 0);
	assert_int_equal(client_getattr(&to->client, 5), 0);
}

static void test_driver_without(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	save();
	mock_leave_out(&rig->mock, MOCK_load);
	assert_int_equal(rig_connect(rig), 0);
	assert_false(fb_state_is_possible(rig->session));
	assert_int_equal(fb_state_load(rig->session, saved.bytes, saved.size), -EOPNOTSUPP);
	fb_state_fini(&saved);
	assert_int_equal(fb_state_save(rig->session, &saved), -EOPNOTSUPP);
	assert_non_null(strstr(fb_last_error(), "can not hand its state over"));
	rig_end(rig);
}

static void test_requests_with_the_driver(void **state)
{
	uint64_t ticket;

	(void)state;
	mock_force(&from->mock, MOCK_getattr, FB_PENDING);
	client_build(&from->client, FB_OP_GETATTR, 5,
		     &(struct fb_wire_getattr_in){ .getattr_flags = 0 },
		     sizeof(struct fb_wire_getattr_in), NULL, 0);
	ticket = client_submit(&from->client);
	assert_true(mock_wait_held(&from->mock, 1));
	assert_int_equal(fb_state_save(from->session, &saved), -EBUSY);
	assert_int_equal(mock_complete(&from->mock, 0), 0);
	assert_int_equal(client_receive(&from->client, ticket), 0);
	save();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),     TEST(test_checksum_is_crc32),
		TEST(test_growing),        TEST(test_no_client),
		TEST(test_damaged),        TEST(test_head),
		TEST(test_promises),       TEST(test_drivers_refuse),
		TEST(test_driver_without), TEST(test_requests_with_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
