/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies between the two ends of a loopback: messages under way, their answers until they are
 * fetched, and notifications.
 */
#ifndef FB_TRANSPORT_MAILBOX_H
#define FB_TRANSPORT_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct fb_notification;
struct fb_req;

/* Notifications kept until somebody reads them; more are refused with ENOBUFS. */
#define FB_NOTIFICATIONS_MAX 4096

/*
 * One message on its way, and its answer. Message and room are blocks that end with their last
 * byte, so that sanitizers see each byte read or written too far.
 */
struct fb_call {
	struct fb_call *next;
	const struct fb_req *req; /* NULL once the core does not look at the message any more */
	uint64_t ticket;
	void *room, *answer;
	ssize_t answer_size; /* 0: there is none; -errno: it was lost */
	bool ended;          /* there will be nothing else */
	bool received;       /* nobody waits for it any more */
	size_t size;
	_Alignas(8) uint8_t message[];
};

struct fb_mailbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fb_call *calls; /* under lock, as all that follows */
	struct fb_notification *first, **last;
	size_t notification_count;
	uint64_t next_ticket;
	unsigned drop_count;
	int drop_error;
};

void fb_mailbox_init(struct fb_mailbox *box);

/* Free everything; no request is under way. */
void fb_mailbox_fini(struct fb_mailbox *box);

/* Make a call of a message, which is copied. Returns NULL without memory. */
struct fb_call *fb_call_new(const void *message, size_t size);

/* Free a call that was never added. */
void fb_call_free(struct fb_call *call);

/* The call whose message a request holds. */
struct fb_call *fb_call_of(const struct fb_req *req);

/* Add a call, which req is about to carry. The call is taken. Returns its ticket, never 0. */
uint64_t fb_mailbox_add(struct fb_mailbox *box, struct fb_call *call, const struct fb_req *req);

/* The request is back in its pool: nobody looks at the message of its call any more. */
void fb_mailbox_part(struct fb_mailbox *box, const struct fb_req *req);

/*
 * Bring an answer: its head, then bytes of the call's room; head NULL when there is none. Returns
 * 0, or -errno when it was lost on its way.
 */
int fb_mailbox_answer(struct fb_mailbox *box, struct fb_call *call, const void *head,
		      size_t head_size, size_t placed);

/* Have the next count answers lost with -error. */
void fb_mailbox_drop(struct fb_mailbox *box, unsigned count, int error);

/* Wait for an answer and fetch it: as fb_loopback_receive(). */
ssize_t fb_mailbox_fetch(struct fb_mailbox *box, uint64_t ticket, void *answer, size_t size,
			 int timeout_ms);

/* Add a notification. Returns 0, -ENOBUFS or -ENOMEM. */
int fb_mailbox_notify(struct fb_mailbox *box, const struct iovec *iov, int count);

/* Wait for a notification: as fb_loopback_notification(). */
ssize_t fb_mailbox_notification(struct fb_mailbox *box, void *message, size_t size, int timeout_ms);

#endif
