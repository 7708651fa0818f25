/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mount_options.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <libfb/log.h>
#include <stdlib.h>
#include <string.h>

#include "core/scope.h"

enum value_kind {
	VALUE_NONE,
	VALUE_NUMBER,
	VALUE_TEXT,
};

static const struct fb_mount_flag flag_rows[] = {
#define ROW(name, opposite, ms_flag, attr, clears, superblock)                                     \
	{ #name, #opposite, ms_flag, clears, attr, superblock },
	FB_MOUNT_FLAG_TABLE(ROW)
#undef ROW
};

static const struct {
	const char *name;
	enum value_kind kind;
} data_rows[] = {
#define ROW(name, kind) { #name, VALUE_##kind },
	FB_MOUNT_DATA_TABLE(ROW)
#undef ROW
};

/* What /etc/fstab says to mount(8), systemd and others, not to a file system. */
static const char *const ignored[] = {
	"defaults", "auto", "noauto", "user",    "nouser", "users",     "owner", "noowner", "group",
	"nogroup",  "fail", "nofail", "_netdev", "user=*", "comment=*", "x-*",   "X-*",     "",
};

void fb_mount_plan_init(struct fb_mount_plan *plan)
{
	*plan = (struct fb_mount_plan){ .flags = MS_NOSUID | MS_NODEV };
}

void fb_mount_plan_fini(struct fb_mount_plan *plan)
{
	for (size_t i = 0; i < FB_MOUNT_DATA_COUNT; i++)
		free(plan->values[i]);
	*plan = (struct fb_mount_plan){ 0 };
}

const struct fb_mount_flag *fb_mount_flag_at(size_t index)
{
	return index < sizeof(flag_rows) / sizeof(flag_rows[0]) ? &flag_rows[index] : NULL;
}

const char *fb_mount_data_name(enum fb_mount_data key)
{
	return data_rows[key].name;
}

unsigned fb_mount_plan_attr(const struct fb_mount_plan *plan)
{
	const struct fb_mount_flag *row;
	unsigned attr = 0;

	for (size_t i = 0; (row = fb_mount_flag_at(i)); i++)
		if (plan->flags & row->ms_flag)
			attr |= row->attr;
	return attr;
}

static int value_set(struct fb_mount_plan *plan, size_t key, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return fb_fail(ENOMEM, "no memory for mount options");
	free(plan->values[key]);
	plan->values[key] = copy;
	return 0;
}

int fb_mount_plan_default(struct fb_mount_plan *plan, enum fb_mount_data key, const char *value)
{
	return plan->values[key] || !value ? 0 : value_set(plan, key, value);
}

/* Returns 1 when the option is a flag, else 0. */
static int flag_parse(struct fb_mount_plan *plan, const char *option)
{
	const struct fb_mount_flag *row;

	for (size_t i = 0; (row = fb_mount_flag_at(i)); i++) {
		if (strcmp(option, row->name) == 0) {
			plan->flags = (plan->flags & ~row->clears) | row->ms_flag;
			return 1;
		}
		if (strcmp(option, row->opposite) == 0) {
			plan->flags &= ~row->ms_flag;
			return 1;
		}
	}
	return 0;
}

static bool is_number(const char *text)
{
	size_t digits = 0;

	while (isdigit((unsigned char)text[digits]))
		digits++;
	/* Nine digits fit into the kernel's 32 bits. */
	return digits >= 1 && digits <= 9 && !text[digits];
}

/* Returns 1 when the option is one of data, 0 when not, -EINVAL when its value is wrong. */
static int data_parse(struct fb_mount_plan *plan, const char *option)
{
	size_t len = strcspn(option, "="), key = 0;
	const char *value = option[len] ? option + len + 1 : NULL;
	int r;

	while (key < FB_MOUNT_DATA_COUNT && (strlen(data_rows[key].name) != len ||
					     memcmp(data_rows[key].name, option, len) != 0))
		key++;
	if (key == FB_MOUNT_DATA_COUNT)
		return 0;
	if (data_rows[key].kind == VALUE_NONE && value)
		return fb_fail(EINVAL, "mount option \"%s\": %s takes no value", option,
			       data_rows[key].name);
	if (data_rows[key].kind == VALUE_NUMBER && (!value || !is_number(value)))
		return fb_fail(EINVAL, "mount option \"%s\": %s wants a number, as in %s=131072",
			       option, data_rows[key].name, data_rows[key].name);
	if (data_rows[key].kind == VALUE_TEXT && (!value || !*value))
		return fb_fail(EINVAL, "mount option \"%s\": %s wants a value", option,
			       data_rows[key].name);
	r = value_set(plan, key, value ? value : "");
	return r < 0 ? r : 1;
}

static bool is_ignored(const char *option)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (fnmatch(ignored[i], option, 0) == 0)
			return true;
	return false;
}

static int option_parse(struct fb_mount_plan *plan, const char *option)
{
	int r;

	if (flag_parse(plan, option) || is_ignored(option))
		return 0;
	r = data_parse(plan, option);
	if (r == 0)
		return fb_fail(EINVAL, "unknown mount option \"%s\"", option);
	return r < 0 ? r : 0;
}

/* Copy the next option without its escapes to "to". Returns what follows it, or NULL. */
static const char *option_take(const char *from, char *to)
{
	while (*from && *from != ',') {
		if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	*to = '\0';
	return *from ? from + 1 : NULL;
}

int fb_mount_plan_parse(struct fb_mount_plan *plan, const char *options)
{
	FB_SCOPED_FREE char *option = options ? malloc(strlen(options) + 1) : NULL;
	int r = 0;

	if (options && !option)
		return fb_fail(ENOMEM, "no memory for mount options");
	while (options && r == 0) {
		options = option_take(options, option);
		r = option_parse(plan, option);
	}
	return r;
}
