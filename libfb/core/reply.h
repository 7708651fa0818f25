/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an operation's result to the answer on the wire.
 */
#ifndef FB_CORE_REPLY_H
#define FB_CORE_REPLY_H

struct fb_req;

/*
 * Answer a request with the result of its operation, or end it silently when its opcode has no
 * answer. When nobody gets the answer, what it would have handed out is taken back from the driver.
 */
void fb_reply(struct fb_req *req, int result);

#endif
