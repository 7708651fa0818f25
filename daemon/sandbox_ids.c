/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox_ids.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libfb/log.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scope.h"
#include "value.h"

/* A line of a map: three numbers of ten digits. */
#define LINE_MAX_SIZE 40

/* ---- rules -------------------------------------------------------------------------------------- */

/* Take the number at *at and the separator behind it. */
static int read_number(const char **at, char separator, uint32_t *ret_number)
{
	char digits[16] = "";
	size_t length = 0;
	uint64_t number;

	for (; (*at)[length] && (*at)[length] != separator; length++) {
		if (length == sizeof(digits) - 1)
			return -EINVAL;
		digits[length] = (*at)[length];
	}
	if (!(*at)[length] || value_number(digits, 0, UINT32_MAX, &number) < 0)
		return -EINVAL;
	*at += length + 1;
	*ret_number = (uint32_t)number;
	return 0;
}

static int read_range(const char *rule, struct sandbox_range *ret_range)
{
	const char separator = *rule, *at = rule + 1;
	struct sandbox_range range = { 0 };
	int result;

	if (!separator || isalnum((unsigned char)separator))
		return -EINVAL;
	result = read_number(&at, separator, &range.inside);
	if (result == 0)
		result = read_number(&at, separator, &range.outside);
	if (result == 0)
		result = read_number(&at, separator, &range.count);
	if (result < 0 || *at || range.count == 0)
		return -EINVAL;
	/* The last number means "no id". */
	if (range.count > UINT32_MAX - range.inside || range.count > UINT32_MAX - range.outside)
		return -EINVAL;
	*ret_range = range;
	return 0;
}

int sandbox_ids_read(struct sandbox_ids *ids, const char *option, const struct words *rules,
		     uint32_t own)
{
	size_t count = rules ? rules->count : 0;

	*ids = (struct sandbox_ids){ .count = count };
	if (count > SANDBOX_RANGES_MAX)
		return fb_fail(EINVAL, "%s: at most %d rules are possible", option,
			       SANDBOX_RANGES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (read_range(rules->word[i], &ids->range[i]) < 0)
			return fb_fail(
				EINVAL,
				"%s=%s: a rule is :inside:outside:count:, such as :0:1000:1:",
				option, rules->word[i]);
	}
	if (count == 0) {
		ids->range[0] = (struct sandbox_range){ own, own, 1 };
		ids->count = 1;
	}
	return 0;
}

/* Whether a process may write the map of its own namespace itself. */
static bool is_own(const struct sandbox_ids *ids, uint32_t own)
{
	return ids->count == 1 && ids->range[0].count == 1 && ids->range[0].outside == own;
}

static bool has_root(const struct sandbox_ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->range[i].inside == 0)
			return true;
	return false;
}

/* ---- maps written by ourselves ------------------------------------------------------------------- */

static int write_file(const char *path, const char *text)
{
	SCOPED_FD fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return fb_fail(errno, "%s can not be written: %s", path, strerror(errno));
	return 0;
}

static int write_own(const char *path, const struct sandbox_range *range)
{
	char line[LINE_MAX_SIZE];

	snprintf(line, sizeof(line), "%u %u %u\n", range->inside, range->outside, range->count);
	return write_file(path, line);
}

/* ---- maps that take newuidmap and newgidmap -------------------------------------------------------- */

/* Those programs are setuid: what they allow is in /etc/subuid and /etc/subgid. */
static int run_mapper(const char *program, pid_t pid, const struct sandbox_ids *ids)
{
	size_t words = 2 + 3 * ids->count;
	SCOPED_FREE char(*text)[LINE_MAX_SIZE] = calloc(words, sizeof(*text));
	SCOPED_FREE char **argv = calloc(words + 1, sizeof(*argv));
	pid_t mapper;
	int status;

	if (!text || !argv)
		return -ENOMEM;
	snprintf(text[0], LINE_MAX_SIZE, "%s", program);
	snprintf(text[1], LINE_MAX_SIZE, "%d", (int)pid);
	for (size_t i = 0; i < ids->count; i++) {
		snprintf(text[2 + 3 * i], LINE_MAX_SIZE, "%u", ids->range[i].inside);
		snprintf(text[3 + 3 * i], LINE_MAX_SIZE, "%u", ids->range[i].outside);
		snprintf(text[4 + 3 * i], LINE_MAX_SIZE, "%u", ids->range[i].count);
	}
	for (size_t i = 0; i < words; i++)
		argv[i] = text[i];
	status = posix_spawnp(&mapper, program, NULL, NULL, argv, environ);
	if (status != 0)
		return -status;
	if (waitpid(mapper, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* A process that stays outside, and so may map ids that are not our own. */
struct helper {
	pid_t pid;
	int go_fd; /* a byte tells it to begin; to close it, to end */
};

static void help(pid_t pid, int go_fd, const struct sandbox_ids *uids,
		 const struct sandbox_ids *gids)
{
	char go;
	int result = 0;

	if (read(go_fd, &go, 1) != 1)
		_exit(0);
	if (uids)
		result = run_mapper("newuidmap", pid, uids);
	if (result == 0 && gids)
		result = run_mapper("newgidmap", pid, gids);
	_exit(-result);
}

/* uids and gids are NULL where we can write the map ourselves. */
static int start_helper(struct helper *helper, const struct sandbox_ids *uids,
			const struct sandbox_ids *gids)
{
	pid_t pid = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fb_fail(errno, "pipe: %s", strerror(errno));
	helper->pid = fork();
	if (helper->pid < 0) {
		int error = errno;

		close(ends[0]);
		close(ends[1]);
		return fb_fail(error, "fork: %s", strerror(error));
	}
	if (helper->pid == 0) {
		close(ends[1]);
		help(pid, ends[0], uids, gids);
	}
	close(ends[0]);
	helper->go_fd = ends[1];
	return 0;
}

/* With go: have it map, else send it away. Returns 0 or -errno. */
static int end_helper(struct helper *helper, bool go)
{
	int status = 0;
	bool told;

	if (helper->pid <= 0)
		return 0;
	told = go && write(helper->go_fd, "", 1) == 1;
	close(helper->go_fd);
	if (waitpid(helper->pid, &status, 0) < 0)
		return -errno;
	if (!WIFEXITED(status) || told != go)
		return -EIO;
	return -WEXITSTATUS(status);
}

/* ---- the namespace --------------------------------------------------------------------------------- */

static int unshare_all(int flags)
{
	if (unshare(CLONE_NEWUSER | flags) == 0)
		return 0;
	return fb_fail(errno,
		       "a user namespace can not be made: %s. Where the system forbids them to "
		       "users, --sandbox=none serves without",
		       strerror(errno));
}

static int map_own(const struct sandbox_ids *uids, const struct sandbox_ids *gids)
{
	int result = 0;

	if (uids)
		result = write_own("/proc/self/uid_map", &uids->range[0]);
	/* Who could leave groups could get at files that are closed to a group. */
	if (result == 0 && gids)
		result = write_file("/proc/self/setgroups", "deny");
	if (result == 0 && gids)
		result = write_own("/proc/self/gid_map", &gids->range[0]);
	return result;
}

int sandbox_ids_unshare(int flags, const struct sandbox_ids *uids, const struct sandbox_ids *gids)
{
	bool own_uids = is_own(uids, geteuid()), own_gids = is_own(gids, getegid());
	struct helper helper = { .go_fd = -1 };
	int mapped, result = 0;

	if (!own_uids || !own_gids)
		result = start_helper(&helper, own_uids ? NULL : uids, own_gids ? NULL : gids);
	if (result == 0)
		result = unshare_all(flags);
	mapped = end_helper(&helper, result == 0);
	if (result == 0 && mapped < 0)
		result = fb_fail(
			-mapped,
			"--uid-map, --gid-map: newuidmap or newgidmap failed (%s): are they "
			"installed, and /etc/subuid and /etc/subgid allow the ids?",
			strerror(-mapped));
	if (result == 0)
		result = map_own(own_uids ? uids : NULL, own_gids ? gids : NULL);
	return result;
}

int sandbox_ids_become_root(const struct sandbox_ids *uids, const struct sandbox_ids *gids)
{
	if (has_root(gids) && setresgid(0, 0, 0) < 0)
		return fb_fail(errno, "can not become group 0 of the sandbox: %s", strerror(errno));
	if (has_root(uids) && setresuid(0, 0, 0) < 0)
		return fb_fail(errno, "can not become user 0 of the sandbox: %s", strerror(errno));
	return 0;
}
