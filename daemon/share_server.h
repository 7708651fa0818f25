/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server of one directory of --config: an fbfsd of its own, started again when it ends.
 */
#ifndef FBFSD_SHARE_SERVER_H
#define FBFSD_SHARE_SERVER_H

#include <sys/types.h>

#include "exit_code.h"
#include "guest_socket.h"
#include "share_table.h"
#include "words.h"

struct share_server {
	const struct share *share;
	struct words command; /* line, without the program */
	/*
	 * Made here, and not by the server: it is there, and connections wait in it, also while there
	 * is no server.
	 */
	struct guest_socket socket;
	pid_t pid; /* 0: none */
	uint64_t started_ms, due_ms;
	unsigned pause_ms; /* between its end and the next start */
};

/*
 * Look at what a line of the file says and listen at its socket. given: options that hold for all of
 * them. share is borrowed. Returns EXIT_DONE, or what to exit with after a sentence for
 * fb_last_error(). Call share_server_fini() either way.
 */
enum exit_code share_server_init(struct share_server *server, const struct words *given,
				 const struct share *share) FB_MUST_CHECK;

/* Close the socket, and remove its name if it was made here. No server may be there any more. */
void share_server_fini(struct share_server *server);

/*
 * Start the server if it is not there and its time has come; now_ms is the time. A failure is logged,
 * and counts as a server that has ended.
 */
void share_server_start(struct share_server *server, uint64_t now_ms);

/* Its process has ended with this status of wait(2). */
void share_server_ended(struct share_server *server, int status, uint64_t now_ms);

#endif
