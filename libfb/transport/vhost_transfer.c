/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/vhost_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/state.h"
#include "core/thread.h"

/* What a pipe holds by default. */
#define PIECE 65536u

/* Wait until the other end is ready, or nobody wants the transfer any more. */
static int wait_ready(const struct fb_vhost_transfer *transfer, short events)
{
	struct pollfd polls[] = {
		{ .fd = transfer->fd, .events = events },
		{ .fd = transfer->cancel_fd, .events = POLLIN },
		{ .fd = transfer->socket, .events = POLLRDHUP },
	};

	if (poll(polls, 3, -1) < 0 && errno != EINTR)
		return fb_fail(errno, "waiting for the other end: %s", strerror(errno));
	if (polls[1].revents || polls[2].revents)
		return fb_fail(ECANCELED, "the front end went on before the transfer was over");
	return 0;
}

static bool is_for_later(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* ---- save ------------------------------------------------------------------------------------ */

static int send_all(const struct fb_vhost_transfer *transfer, const struct fb_state *state)
{
	for (size_t done = 0; done < state->size;) {
		ssize_t put = -1;
		int r = wait_ready(transfer, POLLOUT);

		if (r < 0)
			return r;
		put = write(transfer->fd, state->bytes + done, state->size - done);
		if (put < 0 && !is_for_later(errno))
			return fb_fail(errno, "writing the state: %s", strerror(errno));
		done += put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int save(const struct fb_vhost_transfer *transfer)
{
	struct fb_state state = { 0 };
	int r = fb_state_save(transfer->session, &state);

	if (r == 0)
		r = send_all(transfer, &state);
	fb_state_fini(&state);
	return r;
}

/* ---- load ------------------------------------------------------------------------------------ */

/* Take one piece. Returns 1, 0 at the end, or -errno. */
static int receive_some(const struct fb_vhost_transfer *transfer, struct fb_state *state)
{
	uint8_t piece[PIECE];
	ssize_t got = -1;
	int r = wait_ready(transfer, POLLIN);

	if (r < 0)
		return r;
	got = read(transfer->fd, piece, sizeof(piece));
	if (got < 0 && !is_for_later(errno))
		return fb_fail(errno, "reading the state: %s", strerror(errno));
	if (got < 0)
		return 1;
	r = fb_state_put(state, piece, (size_t)got);
	return r < 0 ? r : got > 0;
}

/* Take all there is; but not more than it says that it has, which may not end at all. */
static int receive_all(const struct fb_vhost_transfer *transfer, struct fb_state *state)
{
	size_t whole = FB_STATE_MAX;
	int r;

	while ((r = receive_some(transfer, state)) == 1) {
		r = fb_state_measure(state->bytes, state->size, &whole);
		if (r < 0)
			return r;
		if (state->size > whole)
			return fb_fail(EINVAL, "there are bytes behind the state");
	}
	return r;
}

static int load(const struct fb_vhost_transfer *transfer)
{
	struct fb_state state = { 0 };
	int r = receive_all(transfer, &state);

	if (r == 0)
		r = fb_state_load(transfer->session, state.bytes, state.size);
	fb_state_fini(&state);
	return r;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void *transfer_main(void *arg)
{
	struct fb_vhost_transfer *transfer = arg;

	transfer->result = transfer->load ? load(transfer) : save(transfer);
	if (transfer->result < 0)
		fb_log(FB_LOG_ERR, "the client's state can not be %s: %s",
		       transfer->load ? "loaded" : "saved", fb_last_error());
	close(transfer->fd); /* the end of the state, for who reads it */
	return NULL;
}

static int start(struct fb_vhost_transfer *transfer)
{
	int flags = fcntl(transfer->fd, F_GETFL), r;
	int useless = transfer->load ? O_WRONLY : O_RDONLY;

	if (flags < 0 || fcntl(transfer->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fb_fail(errno, "the descriptor for the state: %s", strerror(errno));
	/* Such an end of a pipe would never be ready. */
	if ((flags & O_ACCMODE) == useless)
		return fb_fail(EBADF, "the descriptor for the state is the wrong end of a pipe");
	transfer->cancel_fd = fb_fd_raise(eventfd(0, EFD_CLOEXEC));
	if (transfer->cancel_fd < 0)
		return fb_fail(errno, "no descriptor: %s", strerror(errno));
	r = fb_thread_start(&transfer->thread, transfer_main, transfer);
	if (r < 0) {
		close(transfer->cancel_fd);
		return fb_fail(-r, "no thread for the state: %s", strerror(-r));
	}
	return 0;
}

static void join(struct fb_vhost_transfer *transfer)
{
	pthread_join(transfer->thread, NULL);
	close(transfer->cancel_fd);
	transfer->joined = true;
}

int fb_vhost_transfer_begin(struct fb_vhost_transfer *transfer,
			    const struct fb_vhost_transfer *what)
{
	FB_SCOPED_FD fd = what->fd;
	int r;

	if (transfer->begun && !transfer->joined)
		return fb_fail(EBUSY, "a state is being transferred already");
	*transfer = *what;
	r = start(transfer);
	if (r < 0) {
		transfer->begun = false;
		return r;
	}
	transfer->begun = true;
	transfer->joined = false;
	(void)fb_fd_steal(&fd);
	return 0;
}

int fb_vhost_transfer_check(struct fb_vhost_transfer *transfer)
{
	if (!transfer->begun)
		return fb_fail(EINVAL, "no state was transferred");
	if (!transfer->joined)
		join(transfer);
	transfer->begun = false;
	return transfer->result < 0 ? fb_fail(-transfer->result, "the transfer has failed") : 0;
}

void fb_vhost_transfer_cancel(struct fb_vhost_transfer *transfer)
{
	if (!transfer->begun || transfer->joined)
		return;
	fb_eventfd_signal(transfer->cancel_fd);
	join(transfer);
}
