/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any client against the real passthrough driver, while programs of the host move its files around.
 * Nothing outside of the share changes; each request gets its one answer; nothing blocks (the share
 * has a FIFO); the thread is itself again after each request; and in the end no descriptor is left.
 *
 * An input is a setup, then steps. A step names a row of the opcode table; nodes, fhs and names are
 * mostly such as the driver gave out; bytes behind the step go over the request's fixed struct, and
 * from its end on into its tail.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libfb/loopback.h>
#include <libfb/passthrough.h>

#include "message.h"
#include "passthrough_scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 64
#define GIVEN_MAX 64u
#define ANSWER_MAX (1u << 21)
#define WAIT_MS 20000
/* A sparse file of exabytes would be copied for ever, and fallocate() would use up the memory. */
#define FILE_MAX (4u << 20)

#define CHECK(good)                                                                                \
	do {                                                                                       \
		if (!(good)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #good);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- the input --------------------------------------------------------------------------------- */

/* In struct setup, flags. */
#define SETUP_READ_ONLY 0x001u
#define SETUP_FD_MODE 0x002u
#define SETUP_LOCKS 0x004u
#define SETUP_ACL 0x008u /* which makes the client check permissions, as it says */
#define SETUP_SEAL 0x010u
#define SETUP_STATELESS 0x020u
#define SETUP_WRITEBACK 0x040u
#define SETUP_SET_FLAGS 0x080u
#define SETUP_FEW_FDS 0x100u
#define SETUP_NO_DIRECT_IO 0x200u
#define SETUP_CALLERS 0x400u
#define SETUP_NEVER_CACHE 0x800u

struct setup {
	uint8_t flags_low, flags_high;
};

/* In struct step, flags. */
#define STEP_FORGED 0x01u     /* numbers of nodes and fhs are those of the bytes */
#define STEP_HOST 0x02u       /* no request: a program of the host does something */
#define STEP_KEEP_LEN 0x04u   /* the header tells a wrong length */
#define STEP_GROUPS 0x08u     /* with a supplementary group */
#define STEP_DROP 0x10u       /* nobody gets the answer */
#define STEP_CUT 0x20u        /* the last bytes are missing */
#define STEP_DIR_HANDLE 0x40u /* choose among the fhs of directories */

struct step {
	uint8_t row, flags, node, fh;
	uint8_t names; /* four bits each */
	uint8_t who;
	uint8_t patch; /* bytes that follow: over the fixed struct */
	uint8_t tail;  /* and more bytes for the tail */
};

static const char *const names[16] = {
	"file", "dir", "suid", "none", "hard", "fifo", "zero",  "up",
	"abs",  "new", "n2",   "..",   "a/b",  ".",    "updir", "inside",
};
static const char *const xattrs[8] = {
	"user.color",          "user.new",  "system.posix_acl_access", "system.posix_acl_default",
	"security.capability", "trusted.x", "security.selinux",        "nonsense",
};
static const uint32_t ids[8] = { 0, 1000, 65534, UINT32_MAX, 1, 1001, 0, 0 };

/* ---- one run ----------------------------------------------------------------------------------- */

struct debt {
	uint64_t ticket, unique;
};

/* Numbers of nodes, or fhs and the nodes that they are of. */
struct given {
	uint64_t number[GIVEN_MAX], node[GIVEN_MAX];
	unsigned count;
};

struct run {
	struct fb_passthrough *driver;
	struct fb_session *session;
	struct fb_loopback *loop;
	struct fb_decode_rules rules;
	struct given nodes, files, dirs;
	struct debt debts[STEPS_MAX];
	unsigned debt_count;
	uint64_t unique;
	bool over;
};

static struct scratch scratch;
static uint8_t answer[ANSWER_MAX];

/* ---- what must not change ---------------------------------------------------------------------- */

struct self {
	uid_t uid, fsuid;
	gid_t gid, fsgid;
	int groups;
	mode_t umask;
	uint32_t caps[2];
};

static struct self self_now(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	struct self self = { 0 };

	CHECK(syscall(SYS_capget, &header, caps) == 0);
	self.uid = geteuid();
	self.gid = getegid();
	self.fsuid = (uid_t)setfsuid((uid_t)-1);
	self.fsgid = (gid_t)setfsgid((gid_t)-1);
	self.groups = getgroups(0, NULL);
	self.umask = umask(0);
	umask(self.umask);
	self.caps[0] = caps[0].effective;
	self.caps[1] = caps[1].effective;
	return self;
}

static void check_self(const struct self *before)
{
	struct self now = self_now();

	CHECK(now.uid == before->uid && now.fsuid == before->fsuid);
	CHECK(now.gid == before->gid && now.fsgid == before->fsgid);
	CHECK(now.groups == before->groups && now.umask == before->umask);
	CHECK(now.caps[0] == before->caps[0] && now.caps[1] == before->caps[1]);
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- requests ---------------------------------------------------------------------------------- */

#define NOWHERE UINT16_MAX

/* Where numbers of nodes and fhs stand in the fixed structs. */
struct places {
	uint32_t opcode;
	uint16_t fh, node, fh_out;
};

#define AT(name, field) offsetof(struct fb_wire_##name, field)

static const struct places places[] = {
	{ FB_OP_GETATTR, AT(getattr_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_STATX, AT(statx_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_SETATTR, AT(setattr_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_READ, AT(read_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_WRITE, AT(write_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_RELEASE, AT(release_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_RELEASEDIR, AT(release_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_FLUSH, AT(flush_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_FSYNC, AT(fsync_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_FSYNCDIR, AT(fsync_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_READDIR, AT(read_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_READDIRPLUS, AT(read_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_GETLK, AT(lk_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_SETLK, AT(lk_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_SETLKW, AT(lk_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_IOCTL, AT(ioctl_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_POLL, AT(poll_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_FALLOCATE, AT(fallocate_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_LSEEK, AT(lseek_in, fh), NOWHERE, NOWHERE },
	{ FB_OP_RENAME, NOWHERE, AT(rename_in, newdir), NOWHERE },
	{ FB_OP_RENAME2, NOWHERE, AT(rename2_in, newdir), NOWHERE },
	{ FB_OP_LINK, NOWHERE, AT(link_in, oldnodeid), NOWHERE },
	{ FB_OP_COPY_FILE_RANGE, AT(copy_file_range_in, fh_in), AT(copy_file_range_in, nodeid_out),
	  AT(copy_file_range_in, fh_out) },
	{ FB_OP_COPY_FILE_RANGE_64, AT(copy_file_range_in, fh_in),
	  AT(copy_file_range_in, nodeid_out), AT(copy_file_range_in, fh_out) },
};

static void given_add(struct given *given, uint64_t number, uint64_t node)
{
	given->number[given->count % GIVEN_MAX] = number;
	given->node[given->count++ % GIVEN_MAX] = node;
}

/* Choose one; where there is none, what is there before (0) stays. */
static void given_choose(const struct given *given, unsigned which, uint64_t *number,
			 uint64_t *node)
{
	unsigned count = given->count < GIVEN_MAX ? given->count : GIVEN_MAX;

	if (count == 0)
		return;
	*number = given->number[which % count];
	*node = given->node[which % count];
}

static void set_number(struct message *m, uint16_t place, uint64_t number)
{
	if (place != NOWHERE)
		memcpy((uint8_t *)message_in(m) + place, &number, sizeof(number));
}

/* The node that goes with an fh is the one that it is of, unless the step says otherwise. */
static void set_numbers(const struct run *run, struct message *m, const struct step *step)
{
	const struct given *files = step->flags & STEP_DIR_HANDLE ? &run->dirs : &run->files;
	uint64_t node = 0, other = 0, fh = 0, fh_node = 0, out = 0, out_node = 0;

	given_choose(&run->nodes, step->node & 0x7fu, &node, &node);
	given_choose(&run->nodes, step->fh, &other, &other);
	given_choose(files, step->fh & 15u, &fh, &fh_node);
	given_choose(files, step->fh >> 4, &out, &out_node);
	message_header(m)->nodeid = node;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i].opcode != m->row->opcode)
			continue;
		set_number(m, places[i].fh, fh);
		set_number(m, places[i].fh_out, out);
		set_number(m, places[i].node, places[i].fh_out == NOWHERE ? other : out_node);
		if (places[i].fh != NOWHERE && fh_node != 0 && !(step->node & 0x80u))
			message_header(m)->nodeid = fh_node;
	}
}

static void add_names(struct message *m, const struct step *step)
{
	const struct fb_op_row *row = m->row;
	unsigned first = step->names & 15u, second = step->names >> 4;

	if (row->names == 0)
		return;
	if (row->opcode == FB_OP_TMPFILE)
		message_add_name(m, "/");
	else if (row->flags & FB_ROW_ANY_NAME)
		message_add_name(m, xattrs[first % 8]);
	else
		message_add_name(m, names[first]);
	if (row->names > 1)
		message_add_name(m, row->flags & FB_ROW_TARGET && second > 7 ?
					    "../../../../../etc" :
					    names[second]);
}

static void add_groups(struct message *m, const struct step *step)
{
	const uint32_t groups[] = { 1, ids[step->who % 8] };

	if ((step->flags & STEP_GROUPS) && (m->row->flags & FB_ROW_EXTENSIONS))
		message_add_extension(m, FB_WIRE_EXT_GROUPS, groups, sizeof(groups));
}

static void build(struct run *run, struct message *m, const struct step *step, const uint8_t *bytes)
{
	const struct fb_op_row *row = fb_op_row_at(step->row % FB_OP_ROW_COUNT);
	size_t fixed;
	uint32_t tail = 0;

	message_begin(m, row, &run->rules);
	fixed = m->size - sizeof(struct fb_wire_in_header);
	message_header(m)->uid = ids[step->who % 8];
	message_header(m)->gid = ids[step->who / 8 % 8];
	message_header(m)->pid = step->who & 0x80 ? (uint32_t)getpid() : 0;
	set_numbers(run, m, step);
	memcpy(message_in(m), bytes, step->patch < fixed ? step->patch : fixed);
	if (!(step->flags & STEP_FORGED))
		set_numbers(run, m, step);
	add_names(m, step);
	if (row->tail != FB_TAIL_NONE) {
		tail = step->tail / row->tail_element;
		message_set_tail_field(m, tail);
		message_add(m, bytes + step->patch, (size_t)tail * row->tail_element);
	}
	add_groups(m, step);
	if ((step->flags & STEP_CUT) && m->size > sizeof(struct fb_wire_in_header))
		m->size--;
	message_end(m);
	if (step->flags & STEP_KEEP_LEN)
		message_header(m)->len = step->who;
	message_header(m)->unique = run->unique += 2;
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void take_listing(struct run *run, const uint8_t *body, size_t size)
{
	struct fb_wire_direntplus plus;

	while (size >= sizeof(plus)) {
		size_t length;

		memcpy(&plus, body, sizeof(plus));
		length = (sizeof(plus) + plus.dirent.namelen + 7) / 8 * 8;
		CHECK(length <= size);
		if (plus.entry_out.nodeid != 0)
			given_add(&run->nodes, plus.entry_out.nodeid, plus.entry_out.nodeid);
		body += length;
		size -= length;
	}
}

static void take_body(struct run *run, const struct message *m, const uint8_t *body, size_t size)
{
	const struct fb_op_row *row = m->row;
	struct fb_wire_entry_out entry = {
		.nodeid = ((const struct fb_wire_in_header *)m->bytes)->nodeid
	};
	struct fb_wire_open_out open;

	if ((row->flags & FB_ROW_GIVES_NODE) && size >= sizeof(entry)) {
		memcpy(&entry, body, sizeof(entry));
		CHECK(entry.nodeid != FB_ROOT_NODE);
		if (entry.nodeid != 0)
			given_add(&run->nodes, entry.nodeid, entry.nodeid);
		body += sizeof(entry);
		size -= sizeof(entry);
	}
	if ((row->flags & (FB_ROW_GIVES_FILE | FB_ROW_GIVES_DIR)) && size >= sizeof(open)) {
		memcpy(&open, body, sizeof(open));
		given_add(row->flags & FB_ROW_GIVES_FILE ? &run->files : &run->dirs, open.fh,
			  entry.nodeid);
	}
	if (row->opcode == FB_OP_READDIRPLUS)
		take_listing(run, body, size);
}

static void take_answer(struct run *run, const struct message *m, uint64_t unique, ssize_t length)
{
	struct fb_wire_out_header header;

	CHECK((size_t)length >= sizeof(header));
	memcpy(&header, answer, sizeof(header));
	CHECK(header.len == (size_t)length && header.unique == unique);
	CHECK(header.error <= 0 && header.error >= -FB_WIRE_ERRNO_MAX);
	CHECK(header.error == 0 || header.len == sizeof(header));
	if (header.error == 0 && m)
		take_body(run, m, answer + sizeof(header), header.len - sizeof(header));
}

/*
 * Fetch the answer to m (NULL: to a wait), of which there is one only. Returns false when it has
 * still to come.
 */
static bool collect(struct run *run, const struct debt *debt, const struct message *m, bool dropped,
		    int timeout_ms)
{
	ssize_t length =
		fb_loopback_receive(run->loop, debt->ticket, answer, sizeof(answer), timeout_ms);

	if (length == -ETIMEDOUT)
		return false;
	if (dropped && length == -ENOENT)
		return true;
	if (m && (m->row->flags & FB_ROW_NO_REPLY))
		CHECK(length == 0);
	else
		take_answer(run, m, debt->unique, length);
	CHECK(fb_loopback_receive(run->loop, debt->ticket, answer, sizeof(answer), 0) == -EINVAL);
	return true;
}

static void send_one(struct run *run, const struct step *step, const uint8_t *bytes)
{
	struct message m;
	struct debt debt = { 0 };
	bool waits, dropped = step->flags & STEP_DROP;

	build(run, &m, step, bytes);
	waits = m.row->opcode == FB_OP_SETLKW;
	debt.unique = message_header(&m)->unique;
	if (dropped)
		fb_loopback_drop_answers(run->loop, 1, ENOENT);
	CHECK(fb_loopback_submit(run->loop, m.bytes, m.size, &debt.ticket) == 0);
	if (!collect(run, &debt, &m, dropped, waits ? 0 : WAIT_MS)) {
		CHECK(waits);
		run->debts[run->debt_count++] = debt;
	}
	fb_loopback_drop_answers(run->loop, 0, ENOENT);
	/* One with a wrong length ends nothing. */
	run->over = m.row->opcode == FB_OP_DESTROY && message_header(&m)->len == m.size;
}

/* Every lock that is waited for ends by an interrupt, or has ended. */
static void end_waits(struct run *run)
{
	struct fb_wire_interrupt_in in;
	struct message m;
	uint64_t ticket;

	for (unsigned i = 0; i < run->debt_count; i++) {
		if (!run->over) {
			message_begin(&m, fb_op_row_find(FB_OP_INTERRUPT), &run->rules);
			in.unique = run->debts[i].unique;
			memcpy(message_in(&m), &in, sizeof(in));
			message_end(&m);
			CHECK(fb_loopback_submit(run->loop, m.bytes, m.size, &ticket) == 0);
		}
		CHECK(collect(run, &run->debts[i], NULL, true, WAIT_MS));
	}
}

/* ---- the host ---------------------------------------------------------------------------------- */

/* Names without a way out: the host's programs change the share only. */
static const char *host_name(unsigned which)
{
	const char *name = names[which % 16];

	return strchr(name, '/') || name[0] == '.' ? "file" : name;
}

static void act_on_host(const struct step *step)
{
	const char *name = host_name(step->names), *other = host_name(step->names >> 4);
	int dir = open(scratch.source, O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(dir >= 0);
	switch (step->row % 7) {
	case 0:
		(void)!unlinkat(dir, name, 0);
		break;
	case 1:
		(void)!renameat(dir, name, dir, other);
		break;
	case 2:
		(void)!unlinkat(dir, name, 0);
		(void)!symlinkat("../canary/file", dir, name);
		break;
	case 3:
		(void)!renameat(dir, name, dir, "was");
		(void)!symlinkat("../canary", dir, name);
		break;
	case 4:
		(void)!unlinkat(dir, name, 0);
		(void)!mknodat(dir, name, S_IFIFO | 0666, 0);
		break;
	case 5:
		(void)!linkat(dir, name, dir, other, 0);
		break;
	default:
		(void)!syscall(SYS_renameat2, dir, name, dir, other, 2 /* exchange */);
	}
	close(dir);
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void connect_run(struct run *run, const struct setup *setup)
{
	unsigned flags = setup->flags_low | (unsigned)setup->flags_high << 8;
	const struct fb_passthrough_options options = {
		.size = sizeof(options),
		.read_only = flags & SETUP_READ_ONLY,
		.handles = flags & SETUP_FD_MODE ? FB_HANDLES_NEVER : FB_HANDLES_PREFER,
		.posix_lock = flags & SETUP_LOCKS ? FB_ON : FB_OFF,
		.flock = flags & SETUP_LOCKS ? FB_ON : FB_OFF,
		.posix_acl = flags & SETUP_ACL ? FB_ON : FB_OFF,
		.seal_size = flags & SETUP_SEAL,
		.stateless_open = flags & SETUP_STATELESS,
		.stateless_opendir = flags & SETUP_STATELESS,
		.writeback = flags & SETUP_WRITEBACK,
		.set_inode_flags = flags & SETUP_SET_FLAGS,
		.max_descriptors = flags & SETUP_FEW_FDS ? 8 : 0,
		.direct_io = flags & SETUP_NO_DIRECT_IO ? FB_OFF : FB_ON,
		.caller_credentials = flags & SETUP_CALLERS,
		.cache = flags & SETUP_NEVER_CACHE ? FB_CACHE_NEVER : FB_CACHE_AUTO,
	};
	const struct fb_session_options session = { .size = sizeof(session), .max_write = 65536 };
	struct fb_conn conn = { .size = sizeof(conn) };

	CHECK(fb_passthrough_new(scratch.source, &options, &run->driver) == 0);
	CHECK(fb_session_new(fb_passthrough_ops(run->driver), run->driver, &session,
			     &run->session) == 0);
	CHECK(fb_loopback_new(run->session, NULL, &run->loop) == 0);
	fb_session_conn(run->session, &conn);
	run->rules = message_rules_newest;
	run->rules.flags = conn.wanted;
	given_add(&run->nodes, FB_ROOT_NODE, FB_ROOT_NODE);
}

/* The client knows what is there. */
static void look_around(struct run *run)
{
	static const uint8_t some[] = { 0, 1, 2, 3, 5, 6, 7, 8 };
	struct step step = { .row = FB_OP_INDEX_LOOKUP };

	for (size_t i = 0; i < sizeof(some); i++) {
		step.names = some[i];
		send_one(run, &step, some);
	}
}

static void play(struct run *run, const uint8_t *data, size_t size)
{
	const struct self self = self_now();
	struct step step;
	uint8_t bytes[2 * UINT8_MAX + 1];

	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(step) && !run->over; i++) {
		size_t length;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		length = (size_t)step.patch + step.tail;
		length = length < size ? length : size;
		memset(bytes, 0, sizeof(bytes));
		memcpy(bytes, data, length);
		data += length;
		size -= length;
		if (step.flags & STEP_HOST)
			act_on_host(&step);
		else
			send_one(run, &step, bytes);
		check_self(&self);
	}
}

static void clean_up(void)
{
	scratch_remove(&scratch);
}

static void begin_all(void)
{
	const struct rlimit limit = { .rlim_cur = FILE_MAX, .rlim_max = RLIM_INFINITY };

	if (scratch.base[0])
		return;
	scratch_make(&scratch);
	atexit(clean_up);
	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .unique = 1000 };
	struct setup setup;
	unsigned before;

	if (size < sizeof(setup))
		return 0;
	begin_all();
	scratch_fill(&scratch);
	before = count_descriptors();
	memcpy(&setup, data, sizeof(setup));
	connect_run(&run, &setup);
	look_around(&run);
	play(&run, data + sizeof(setup), size - sizeof(setup));
	end_waits(&run);
	fb_loopback_free(run.loop);
	fb_session_unref(run.session);
	fb_passthrough_free(run.driver);
	CHECK(count_descriptors() == before);
	scratch_check(&scratch);
	scratch_empty(&scratch);
	return 0;
}
