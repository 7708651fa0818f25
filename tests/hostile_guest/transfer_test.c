/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing a state over, message by message: in the orders of monitors, and what a front end may do
 * wrong on the way. The driver is one for tests; what the real one hands over is tested elsewhere.
 *
 * M12 and M14 name rows of the attack table.
 */
#include "cmocka_setup.h"

#include "guest.h"
#include "guest_fuse.h"
#include "mock_driver.h"
#include "share_client.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libfb/fb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAGS (FB_INIT_BIG_WRITES | FB_INIT_MAX_PAGES)
#define MINOR 38
#define NODE 5
#define QUEUES 2
/* Far more than pipes and sockets hold. */
#define STATE_SIZE (4u << 20)

#define SAVE FB_VHOST_STATE_SAVE
#define LOAD FB_VHOST_STATE_LOAD
#define STOPPED FB_VHOST_PHASE_STOPPED
#define BEGUN FB_VHOST_RESULT_BEGUN
#define FAILED FB_VHOST_RESULT_FAILED

/* One side of a move: a device and the machine that uses it. */
struct side {
	struct mock mock;
	struct fb_session *session;
	struct guest *guest;
	int fd; /* the front end's, until a guest takes it */
};

static struct side from, to;
static uint8_t *bytes;
static size_t size;
static char *content;

static void serve(struct side *side)
{
	struct fb_virtio_fs_options how = { .size = sizeof(how), .request_queues = QUEUES };
	int ends[2];

	assert_int_equal(fb_session_new(&side->mock.ops, &side->mock, NULL, &side->session), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fb_virtio_fs_attach(side->session, ends[0], &how), 0);
	assert_int_equal(fb_session_start(side->session), 0);
	side->fd = ends[1];
}

static void begin(struct side *side)
{
	*side = (struct side){ .fd = -1 };
	mock_init(&side->mock);
	side->mock.bytes = content;
	side->mock.bytes_size = STATE_SIZE;
	serve(side);
}

static void connect_guest(struct side *side, enum front_end_style style, bool idle)
{
	const struct guest_options options = {
		.fd = side->fd, .style = style, .queues = QUEUES, .idle = idle
	};

	side->fd = -1;
	assert_int_equal(guest_new(&options, &side->guest), 0);
	if (!idle)
		assert_int_equal(guest_init(side->guest, MINOR, FLAGS, NULL), 0);
}

/* The front end goes; the session ends well, and soon. */
static void leave(struct side *side)
{
	guest_free(side->guest);
	side->guest = NULL;
	if (side->fd >= 0)
		close(side->fd);
	side->fd = -1;
	if (side->session)
		assert_int_equal(fb_session_wait(side->session), 0);
	fb_session_unref(side->session);
	side->session = NULL;
	assert_int_equal(mock_calls(&side->mock, MOCK_init), mock_calls(&side->mock, MOCK_destroy));
}

static int set_up(void **state)
{
	(void)state;
	content = malloc(STATE_SIZE);
	assert_non_null(content);
	for (size_t i = 0; i < STATE_SIZE; i++)
		content[i] = (char)(i * 7 + i / 251);
	begin(&from);
	begin(&to);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	leave(&from);
	leave(&to);
	mock_fini(&from.mock);
	mock_fini(&to.mock);
	free(content);
	free(bytes);
	bytes = NULL;
	return 0;
}

static void works(struct side *side)
{
	const struct guest_caller caller = { .guest = side->guest, .queue = GUEST_REQUESTS };
	struct fb_wire_attr attr;

	assert_int_equal(guest_getattr(&caller, NODE, &attr), 0);
}

static struct front_end *fe(struct side *side)
{
	return &side->guest->fe;
}

static uint64_t ask(struct side *side, uint32_t direction, uint32_t phase, int fd)
{
	uint64_t answer = 0;

	assert_int_equal(front_end_set_state_fd(fe(side), direction, phase, fd, &answer), 0);
	return answer;
}

static uint64_t check(struct side *side)
{
	uint64_t answer = 0;

	assert_int_equal(front_end_check_state(fe(side), &answer), 0);
	return answer;
}

/* Have a state that was saved, and a device that waits for one. */
static void prepare(enum front_end_style style)
{
	connect_guest(&from, style, false);
	connect_guest(&to, style, true);
	assert_int_equal(guest_stop(from.guest), 0);
	free(bytes);
	assert_int_equal(front_end_save(fe(&from), style, &bytes, &size), 0);
	assert_true(size > STATE_SIZE);
}

/* ---- what monitors do ------------------------------------------------------------------------ */

static void test_orders_of_monitors(void **state)
{
	static const enum front_end_style styles[] = { FRONT_END_QEMU10, FRONT_END_CLOUD_HYPERVISOR,
						       FRONT_END_CROSVM };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		prepare(styles[i]);
		/* The source goes on, as after a migration that failed. */
		assert_int_equal(guest_start(from.guest), 0);
		works(&from);
		assert_int_equal(guest_stop(from.guest), 0);
		assert_int_equal(front_end_load(fe(&to), styles[i], bytes, size), 0);
		assert_int_equal(mock_calls(&to.mock, MOCK_load), i + 1);
		assert_int_equal(guest_start(to.guest), 0);
		works(&to);
		leave(&from);
		leave(&to);
		serve(&from);
		serve(&to);
	}
}

/* crosvm sends its features before, and need not be the only one. */
static void test_load_behind_features(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	assert_int_equal(front_end_ack(fe(&to), VHOST_SET_FEATURES, &(uint64_t){ fe(&to)->offered },
				       8, NULL, 0),
			 0);
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, bytes, size), 0);
	assert_int_equal(guest_start(to.guest), 0);
	works(&to);
}

static void test_no_client_yet(void **state)
{
	(void)state;
	connect_guest(&from, FRONT_END_QEMU10, true);
	connect_guest(&to, FRONT_END_QEMU10, true);
	assert_int_equal(front_end_save(fe(&from), FRONT_END_QEMU10, &bytes, &size), 0);
	assert_int_equal(mock_calls(&from.mock, MOCK_save), 0);
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, bytes, size), 0);
	assert_int_equal(guest_start(to.guest), 0);
	assert_int_equal(guest_init(to.guest, MINOR, FLAGS, NULL), 0);
	works(&to);
}

/* It came with QEMU 8.2: older ones are not asked to understand it. */
static void test_not_negotiated(void **state)
{
	int pipes[2];

	(void)state;
	connect_guest(&from, FRONT_END_QEMU7, true);
	assert_true(fe(&from)->offered_protocol >> FB_VHOST_DEVICE_STATE & 1);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ask(&from, SAVE, STOPPED, pipes[1]), FAILED);
	assert_int_equal(check(&from), FAILED);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_not_possible(void **state)
{
	(void)state;
	leave(&from);
	mock_leave_out(&from.mock, MOCK_load);
	serve(&from);
	connect_guest(&from, FRONT_END_QEMU10, true);
	assert_false(fe(&from)->offered_protocol >> FB_VHOST_DEVICE_STATE & 1);
}

static void test_driver_refuses(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	mock_force(&from.mock, MOCK_save, -EBUSY);
	free(bytes);
	bytes = NULL;
	assert_int_equal(front_end_save(fe(&from), FRONT_END_QEMU10, &bytes, &size), -EREMOTEIO);
	assert_int_equal(guest_start(from.guest), 0);
	works(&from);
}

/* ---- M12: what is no state --------------------------------------------------------------------- */

static void not_loaded(const void *what, size_t length)
{
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, what, length), -EREMOTEIO);
}

static void test_M12_cut(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	for (size_t cut = 0; cut < 60; cut++)
		not_loaded(bytes, cut);
	not_loaded(bytes, size / 2);
	not_loaded(bytes, size - 1);
	assert_int_equal(mock_calls(&to.mock, MOCK_init), 0);
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, bytes, size), 0);
	assert_int_equal(guest_start(to.guest), 0);
	works(&to);
}

static void test_M12_flipped(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	for (size_t i = 0; i < 60; i++) {
		bytes[i] ^= 0x10;
		not_loaded(bytes, size);
		bytes[i] ^= 0x10;
	}
	bytes[size - 1] ^= 1;
	not_loaded(bytes, size);
	assert_int_equal(mock_calls(&to.mock, MOCK_init), 0);
	/* Without a state the guest's driver finds a device that it can greet. */
	assert_int_equal(guest_start(to.guest), 0);
	assert_int_equal(guest_init(to.guest, MINOR, FLAGS, NULL), 0);
	works(&to);
}

static void test_M12_more(void **state)
{
	uint8_t *more;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	prepare(FRONT_END_QEMU10);
	more = realloc(bytes, size + (1 << 20));
	assert_non_null(more);
	bytes = more;
	memset(bytes + size, 0, 1 << 20);
	not_loaded(bytes, size + 1);
	not_loaded(bytes, size + (1 << 20));
	/* It never ends, but does not begin as a state either. */
	assert_int_equal(ask(&to, LOAD, STOPPED, fd), BEGUN);
	assert_int_equal(check(&to), FAILED);
	close(fd);
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, bytes, size), 0);
}

static void test_M12_version(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	bytes[8]++;
	not_loaded(bytes, size);
	bytes[8]--;
	mock_force(&to.mock, MOCK_load, -EINVAL);
	not_loaded(bytes, size);
	assert_int_equal(mock_calls(&to.mock, MOCK_init), 1);
	assert_int_equal(mock_calls(&to.mock, MOCK_destroy), 1);
	mock_unforce(&to.mock, MOCK_load);
	assert_int_equal(front_end_load(fe(&to), FRONT_END_QEMU10, bytes, size), 0);
}

/* ---- messages at the wrong time, and wrong ones ---------------------------------------------- */

static void test_wrong_messages(void **state)
{
	const uint64_t short_payload = 0;
	struct front_end_message answer;
	int pipes[2];

	(void)state;
	connect_guest(&from, FRONT_END_QEMU10, false);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(check(&from), FAILED);
	assert_int_equal(ask(&from, SAVE, STOPPED, pipes[1]), FAILED); /* rings run */
	assert_int_equal(ask(&from, LOAD, STOPPED, pipes[0]), FAILED);
	assert_int_equal(guest_stop(from.guest), 0);
	assert_int_equal(ask(&from, 2, STOPPED, pipes[1]), FAILED);
	assert_int_equal(ask(&from, SAVE, 1, pipes[1]), FAILED);
	assert_int_equal(ask(&from, SAVE, STOPPED, -1), FAILED);
	assert_int_equal(front_end_send(fe(&from), VHOST_SET_DEVICE_STATE_FD, FB_VHOST_VERSION,
					&short_payload, 4, &pipes[1], 1),
			 0);
	assert_int_equal(front_end_receive(fe(&from), VHOST_SET_DEVICE_STATE_FD, &answer), 0);
	assert_memory_equal(answer.payload, &(uint64_t){ FAILED }, 8);
	assert_int_equal(check(&from), FAILED);
	assert_int_equal(mock_calls(&from.mock, MOCK_save), 0);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(guest_start(from.guest), 0);
	works(&from);
}

/* A descriptor that is good for something else. */
static void test_wrong_descriptors(void **state)
{
	int pipes[2], event = eventfd(7, EFD_CLOEXEC), file = memfd_create("state", MFD_CLOEXEC);

	(void)state;
	prepare(FRONT_END_QEMU10);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	/* The other end of the pipe. */
	assert_int_equal(ask(&from, SAVE, STOPPED, pipes[0]), FAILED);
	assert_int_equal(check(&from), FAILED);
	assert_int_equal(ask(&to, LOAD, STOPPED, pipes[1]), FAILED);
	assert_int_equal(check(&to), FAILED);
	/* Nobody reads. */
	close(pipes[0]);
	assert_int_equal(ask(&from, SAVE, STOPPED, pipes[1]), BEGUN);
	assert_int_equal(check(&from), FAILED);
	close(pipes[1]);
	assert_int_equal(ask(&from, SAVE, STOPPED, event), BEGUN);
	assert_int_equal(check(&from), FAILED);
	/* A file works. */
	assert_int_equal(ask(&from, SAVE, STOPPED, file), BEGUN);
	assert_int_equal(check(&from), 0);
	assert_int_equal(lseek(file, 0, SEEK_CUR), size);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(ask(&to, LOAD, STOPPED, file), BEGUN);
	assert_int_equal(check(&to), 0);
	assert_int_equal(check(&to), FAILED); /* told already */
	close(event);
	close(file);
}

/* ---- M14: the other end of the pipe does not move ------------------------------------------------ */

/* Begin a transfer that can not end; the descriptor keeps it so. */
static int begin_stuck(struct side *side, bool load)
{
	int pipes[2], kept = load ? 1 : 0;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ask(side, load ? LOAD : SAVE, STOPPED, pipes[!kept]), BEGUN);
	close(pipes[!kept]);
	return pipes[kept];
}

/* Anything that changes the device ends the transfer; what only asks does not. */
static void go_on_after(bool load, uint32_t request)
{
	int fd, other[2];
	uint64_t features;

	fd = begin_stuck(&from, load);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	assert_int_equal(front_end_get_features(fe(&from), &features), 0);
	assert_int_equal(ask(&from, SAVE, STOPPED, other[1]), FAILED);
	close(other[0]);
	close(other[1]);
	assert_int_equal(front_end_ack(fe(&from), request, NULL, 0, NULL, 0), 0);
	assert_int_equal(check(&from), FAILED);
	assert_int_equal(check(&from), FAILED);
	close(fd);
}

static void test_reset_in_between(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	for (unsigned load = 0; load < 2; load++) {
		go_on_after(load, VHOST_RESET_DEVICE);
		guest_reset_rings(from.guest, 0);
		assert_int_equal(guest_start(from.guest), 0);
		assert_int_equal(guest_init(from.guest, MINOR, FLAGS, NULL), 0);
		works(&from);
		assert_int_equal(guest_stop(from.guest), 0);
		go_on_after(load, VHOST_SET_OWNER);
		memset(fe(&from)->known, 0, sizeof(fe(&from)->known));
		guest_reset_rings(from.guest, 0);
		assert_int_equal(guest_start(from.guest), 0);
		assert_int_equal(guest_init(from.guest, MINOR, FLAGS, NULL), 0);
		works(&from);
		assert_int_equal(guest_stop(from.guest), 0);
	}
}

/* The machine goes on without having asked how it went. */
static void test_start_in_between(void **state)
{
	(void)state;
	prepare(FRONT_END_QEMU10);
	for (unsigned load = 0; load < 2; load++) {
		int fd = begin_stuck(&from, load);

		assert_int_equal(guest_start(from.guest), 0);
		works(&from);
		assert_int_equal(guest_stop(from.guest), 0);
		close(fd);
	}
	assert_int_equal(mock_calls(&from.mock, MOCK_init), 1);
}

static void test_M14_hang_up_in_between(void **state)
{
	unsigned descriptors = 0;

	(void)state;
	for (unsigned turn = 0; turn < 24; turn++) {
		uint64_t answer;
		int fd;

		connect_guest(&from, FRONT_END_QEMU10, false);
		assert_int_equal(guest_stop(from.guest), 0);
		fd = begin_stuck(&from, turn % 2);
		poll(NULL, 0, (int)(turn / 2 % 3));
		/* Also while the device waits for the end. */
		if (turn % 4 < 2)
			assert_int_equal(front_end_send(fe(&from), VHOST_CHECK_DEVICE_STATE,
							FB_VHOST_VERSION, NULL, 0, NULL, 0),
					 0);
		/* Or the program that serves wants to end. */
		if (turn % 3 == 0) {
			fb_session_stop(from.session);
			assert_true(front_end_check_state(fe(&from), &answer) < 0 || answer != 0);
		}
		leave(&from);
		close(fd);
		if (turn == 0)
			descriptors = share_descriptors();
		assert_int_equal(share_descriptors(), descriptors);
		serve(&from);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders_of_monitors),
		TEST(test_load_behind_features),
		TEST(test_no_client_yet),
		TEST(test_not_negotiated),
		TEST(test_not_possible),
		TEST(test_driver_refuses),
		TEST(test_M12_cut),
		TEST(test_M12_flipped),
		TEST(test_M12_more),
		TEST(test_M12_version),
		TEST(test_wrong_messages),
		TEST(test_wrong_descriptors),
		TEST(test_reset_in_between),
		TEST(test_start_in_between),
		TEST(test_M14_hang_up_in_between),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
