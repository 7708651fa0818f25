/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any messages, and a driver that may do anything: each message that expects an answer gets
 * exactly one, with its unique; and what the driver has given out is what the client holds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "rig.h"
#include "session_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64
#define HEADER_SIZE sizeof(struct fb_wire_in_header)

/* A message whose answer has still to come. */
struct debt {
	uint64_t ticket, unique, node;
	const struct fb_op_row *row;
	uint8_t message[HEADER_SIZE];
	struct fb_req *req;
	int result;
};

struct run {
	struct rig *rig;
	const struct input_step *step;
	struct debt debts[STEPS_MAX];
	size_t debt_count;
	uint64_t next_unique;
	struct fb_req *pending; /* by the message just sent */
	bool over;
};

static int backing = -1;
/* A macro, because clang takes no object for a constant. */
#define FILE_ATTR                                                                                  \
	{                                                                                          \
		.ino = 3, .mode = S_IFREG | 0644                                                   \
	}
static const struct fb_attr file = FILE_ATTR;
static const struct fb_dirent listing[] = {
	{ .ino = 1, .cookie = 1, .name = ".", .name_len = 1 },
	{ .ino = 3, .cookie = 2, .name = "a", .name_len = 1 },
	{ .ino = 4, .cookie = 3, .name = "b", .name_len = 1 },
};
static const struct fb_entry listing_plus[] = {
	{ .node = 7, .attr = FILE_ATTR },
	{ .node = 8, .attr = FILE_ATTR },
	{ .node = 0, .attr = FILE_ATTR },
};

/* ---- the driver -------------------------------------------------------------------------------- */

/* Operations whose answer hands nothing out, so that they may be completed by themselves. */
static bool gives_nothing(enum mock_op op)
{
	return op == MOCK_getattr || op == MOCK_setattr || op == MOCK_statfs || op == MOCK_unlink ||
	       op == MOCK_read || op == MOCK_write || op == MOCK_flush || op == MOCK_readdir ||
	       op == MOCK_getxattr || op == MOCK_ioctl || op == MOCK_rename;
}

static int pass_on(struct fb_req *req, void *arg, int result)
{
	CHECK(fb_req_session(req) == arg);
	return result;
}

static void push_hooks(struct fb_req *req)
{
	for (unsigned i = 0; i < FB_REQ_HOOKS_MAX + 1; i++)
		if (fb_req_push_hook(req, pass_on, fb_req_session(req)) < 0)
			break;
}

static int complete_inside(struct fb_req *req, int r, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		CHECK(fb_req_complete(req, r) == (i == 0 ? 0 : -EALREADY));
	return MOCK_GONE;
}

static int act(struct mock *m, enum mock_op op, struct fb_req *req, int r)
{
	struct run *run = m->arg;
	enum input_kind kind = run->step ? run->step->kind % KINDS : KIND_NATURAL;

	if (!req || r < 0)
		return r;
	if (kind >= KIND_INSIDE && kind <= KIND_INSIDE_AND_RETURN && !gives_nothing(op))
		return r;
	switch (kind) {
	case KIND_ERROR:
		return -EACCES;
	case KIND_ENOSYS:
		return -ENOSYS;
	case KIND_NO_ERRNO:
		return -1000;
	case KIND_HUGE:
		return 0x3ffffff0;
	case KIND_HOOKS:
		push_hooks(req);
		/* fall through */
	case KIND_PENDING:
	case KIND_PENDING_ERROR:
		run->pending = req;
		return FB_PENDING;
	case KIND_INSIDE:
		return complete_inside(req, r, 1);
	case KIND_INSIDE_TWICE:
		return complete_inside(req, r, 2);
	case KIND_INSIDE_AND_RETURN:
		complete_inside(req, r, 1);
		return r;
	default:
		return r;
	}
}

/* Outputs for the next message. */
static void set_outputs(struct run *run)
{
	const struct input_step *step = run->step;
	struct mock *m = &run->rig->mock;

	m->entry = (struct fb_entry){ .node = 2u + step->number % 8u, .attr = file };
	m->attr.attr = file;
	m->statx.attr = file;
	m->open.fh = step->number / 8u;
	m->open.backing_fd = -1;
	m->number = step->number;
	switch (step->kind % KINDS) {
	case KIND_NO_TYPE:
		m->entry.attr.mode = m->attr.attr.mode = m->statx.attr.mode = 0644;
		break;
	case KIND_NO_NODE:
		m->entry.node = 0;
		break;
	case KIND_ROOT:
		m->entry.node = FB_ROOT_NODE;
		break;
	case KIND_HUGE:
		m->number = UINT64_MAX;
		m->entry.attr.size = UINT64_MAX;
		break;
	case KIND_BACKING:
		m->open.backing_fd = backing;
		break;
	default:
		break;
	}
}

/* ---- the client -------------------------------------------------------------------------------- */

/* The row by which an answer is counted: what the core hands out by itself counts for nobody. */
static const struct fb_op_row *row_that_gives(struct run *run, const struct fb_op_row *row)
{
	const struct fb_driver_ops *ops = &run->rig->mock.ops;

	if (row && ((row->opcode == FB_OP_OPEN && !ops->open) ||
		    (row->opcode == FB_OP_OPENDIR && !ops->opendir)))
		return NULL;
	return row;
}

static void collect(struct run *run, const struct debt *debt, bool answer)
{
	struct client *c = &run->rig->client;

	c->length = fb_loopback_receive(run->rig->loop, debt->ticket, c->answer, CLIENT_ANSWER_MAX,
					10000);
	if (c->length < 0) {
		CHECK(c->length == -ENOENT); /* dropped on its way */
		return;
	}
	CHECK((c->length > 0) == answer);
	if (answer)
		client_examine(c, row_that_gives(run, debt->row), debt->node, debt->unique);
	/* Fetched once, and there is no second one. */
	CHECK(fb_loopback_receive(run->rig->loop, debt->ticket, c->answer, CLIENT_ANSWER_MAX, 0) ==
	      -EINVAL);
}

static void finish(struct run *run, struct debt *debt)
{
	CHECK(mock_complete_req(&run->rig->mock, debt->req, debt->result) == 0);
	/* A read-only CREATE is a lookup and then an open, each of which may be held back. */
	while (mock_complete_req(&run->rig->mock, debt->req, debt->result) != -ENOENT)
		continue;
	collect(run, debt, true);
}

/* Whether what a message takes back is the client's doing. */
static bool takes(const struct fb_op_row *row)
{
	return row && (row->opcode == FB_OP_FORGET || row->opcode == FB_OP_BATCH_FORGET ||
		       row->opcode == FB_OP_RELEASE || row->opcode == FB_OP_RELEASEDIR);
}

static void send_one(struct run *run, uint8_t *message, size_t size)
{
	const struct input_step *step = run->step;
	struct fb_wire_in_header header = { .len = 0 };
	struct mock *m = &run->rig->mock;
	struct debt debt = { .unique = 0 };
	bool answer;

	if (size >= HEADER_SIZE) {
		memcpy(&header, message, HEADER_SIZE);
		if (!(step->flags & STEP_KEEP_LEN))
			header.len = (uint32_t)size;
		header.unique = run->next_unique;
		run->next_unique += 2;
		memcpy(message, &header, HEADER_SIZE);
		debt.row = fb_op_row_find(header.opcode);
		memcpy(debt.message, message, HEADER_SIZE);
	}
	debt.unique = header.unique;
	debt.node = header.nodeid;
	answer = size >= HEADER_SIZE && !(debt.row && (debt.row->flags & FB_ROW_NO_REPLY));
	m->client_takes = takes(debt.row);
	run->pending = NULL;
	if (answer && (step->flags & STEP_DROP))
		fb_loopback_drop_answers(run->rig->loop, 1, ENOENT);
	CHECK(fb_loopback_submit(run->rig->loop, message, size, &debt.ticket) == 0);
	m->client_takes = false;
	run->over =
		debt.row && debt.row->opcode == FB_OP_DESTROY && mock_calls(m, MOCK_destroy) > 0;
	debt.req = run->pending;
	debt.result = step->kind % KINDS == KIND_PENDING_ERROR ? -EINTR : 0;
	if (!debt.req)
		collect(run, &debt, answer);
	else if (step->flags & STEP_HOLD)
		run->debts[run->debt_count++] = debt;
	else
		finish(run, &debt);
	fb_loopback_drop_answers(run->rig->loop, 0, ENOENT);
}

/* The kernel sends what is held longest again: no answer now, and the new unique later. */
static void send_again(struct run *run)
{
	struct debt *first = &run->debts[0], again = { .ticket = 0 };
	struct fb_wire_in_header header;

	if (run->debt_count == 0 || (first->unique & FB_UNIQUE_RESEND))
		return;
	memcpy(&header, first->message, HEADER_SIZE);
	header.len = HEADER_SIZE;
	header.opcode = FB_OP_STATFS;
	header.total_extlen = 0;
	header.unique |= FB_UNIQUE_RESEND;
	again.unique = first->unique = header.unique;
	CHECK(fb_loopback_submit(run->rig->loop, &header, HEADER_SIZE, &again.ticket) == 0);
	collect(run, &again, false);
}

/* ---- one run ----------------------------------------------------------------------------------- */

/* These keep the account: the core calls them to take things back. */
static bool is_indispensable(enum mock_op op)
{
	return op == MOCK_init || op == MOCK_destroy || op == MOCK_forget || op == MOCK_release ||
	       op == MOCK_releasedir;
}

static void set_up(struct run *run, const struct input_setup *setup)
{
	struct rig *rig = run->rig;
	bool read_only = setup->flags & INPUT_READ_ONLY;

	for (enum mock_op op = 0; op < MOCK_OPS; op++) {
		bool absent = setup->absent[op / 8] & (1u << op % 8);

		/* A read-only session opens what CREATE finds: with an fh that is nobody's. */
		if (absent && !is_indispensable(op) && !(read_only && op == MOCK_open))
			mock_leave_out(&rig->mock, op);
	}
	rig->options.read_only = read_only;
	rig->options.max_pending = setup->flags & INPUT_FEW_PENDING ? 2 : 0;
	rig->options.max_write = 65536;
	if (setup->flags & INPUT_LABELS)
		rig->options.want = FB_INIT_SECURITY_CTX | FB_INIT_CREATE_SUPP_GROUP;
	if (setup->flags & INPUT_ALL_FEATURES)
		rig->options.want = ~UINT64_C(0);
	if (setup->flags & INPUT_NO_FEATURES)
		rig->loop_options.offered = FB_INIT_ASYNC_READ;
	if (setup->flags & INPUT_OLD)
		rig->loop_options.minor = 31;
	rig->mock.listing = listing;
	rig->mock.listing_plus = listing_plus;
	rig->mock.listing_count = sizeof(listing) / sizeof(listing[0]);
	rig->mock.arg = run;
	rig->mock.act_any = act;
	CHECK(rig_connect(rig) == 0);
}

static void play(struct run *run, const uint8_t *data, size_t size)
{
	struct input_step step;

	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(step) && !run->over; i++) {
		size_t length;
		uint8_t *message;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		length = step.size_low | (size_t)step.size_high << 8;
		length = length < size ? length : size;
		message = malloc(length ? length : 1);
		CHECK(message);
		memcpy(message, data, length);
		run->step = &step;
		set_outputs(run);
		if (step.flags & STEP_RESEND)
			send_again(run);
		else
			send_one(run, message, length);
		free(message);
		data += length;
		size -= length;
	}
	run->step = NULL;
}

static void settle(struct run *run)
{
	struct rig *rig = run->rig;
	struct mock *m = &rig->mock;

	for (size_t i = 0; i < run->debt_count; i++)
		finish(run, &run->debts[i]);
	CHECK(rig_session_stats(rig).pending == 0);
	CHECK(m->strays == 0);
	CHECK(mock_nodes_out(m) == (int64_t)client_nodes(&rig->client));
	CHECK(mock_files_out(m) == (int64_t)client_files(&rig->client));
	rig->strays_expected = true;
	client_lose(&rig->client);
	m->act_any = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .next_unique = 1000 };
	struct input_setup setup;

	if (size < sizeof(setup))
		return 0;
	if (backing < 0)
		backing = memfd_create("backing", MFD_CLOEXEC);
	CHECK(backing >= 0 && ftruncate(backing, 100) == 0);
	memcpy(&setup, data, sizeof(setup));
	run.rig = rig_new();
	set_up(&run, &setup);
	play(&run, data + sizeof(setup), size - sizeof(setup));
	settle(&run);
	rig_end(run.rig);
	return 0;
}
