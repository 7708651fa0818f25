/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/extension.h"

#include <assert.h>
#include <errno.h>
#include <libfb/types.h>
#include <string.h>

#include "protocol/decode.h"

/* NGROUPS_MAX of Linux. */
#define GROUPS_MAX 65536u

/* One security context; each begins at a multiple of 8 within the extension. */
struct label {
	const char *name;
	const void *value;
	size_t size;
	size_t used; /* bytes from its start to that of the next one */
};

/* Read the security context at `at`, which may use up to size bytes. */
static bool label_read(const uint8_t *at, size_t size, struct label *ret_label)
{
	struct fb_wire_secctx context;
	const uint8_t *name, *end;
	size_t left;

	if (size < sizeof(context))
		return false;
	memcpy(&context, at, sizeof(context));
	name = at + sizeof(context);
	left = size - sizeof(context);
	end = memchr(name, 0, left);
	if (!end || end == name || end - name > FB_NAME_MAX)
		return false;
	left -= (size_t)(end - name) + 1;
	if (context.size > left)
		return false;
	left -= context.size;
	*ret_label = (struct label){
		.name = (const char *)name,
		.value = end + 1,
		.size = context.size,
		.used = size - (left & ~(size_t)7),
	};
	return true;
}

bool fb_extension_label(const struct fb_ext *ext, size_t index, const char **ret_name,
			const void **ret_value, size_t *ret_size)
{
	const uint8_t *at = ext->labels;
	size_t size = ext->labels_size;
	struct label label = { .used = 0 };

	if (index >= ext->label_count)
		return false;
	for (size_t i = 0; i <= index; i++) {
		bool read;

		at += label.used;
		size -= label.used;
		read = label_read(at, size, &label);
		assert(read); /* as it was when the message was decoded */
	}
	*ret_name = label.name;
	*ret_value = label.value;
	*ret_size = label.size;
	return true;
}

static int parse_labels(const uint8_t *body, size_t size, uint32_t count, struct fb_ext *ext)
{
	const uint8_t *at = body;
	size_t left = size;

	if (ext->labels)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		struct label label;

		if (!label_read(at, left, &label))
			return -EINVAL;
		at += label.used;
		left -= label.used;
	}
	ext->labels = body;
	ext->labels_size = size;
	ext->label_count = count;
	return left == 0 ? 0 : -EINVAL;
}

static int parse_groups(const uint8_t *body, size_t size, struct fb_ext *ext)
{
	struct fb_wire_supp_groups groups;

	if (ext->groups || size < sizeof(groups))
		return -EINVAL;
	memcpy(&groups, body, sizeof(groups));
	size -= sizeof(groups);
	if (groups.nr_groups > GROUPS_MAX || groups.nr_groups > size / sizeof(uint32_t))
		return -EINVAL;
	ext->groups = body + sizeof(groups);
	ext->group_count = groups.nr_groups;
	return 0;
}

static int parse_one(const uint8_t *body, size_t size, uint32_t type, uint64_t flags,
		     struct fb_ext *ext)
{
	if (type <= FB_WIRE_MAX_NR_SECCTX)
		return flags & FB_INIT_SECURITY_CTX ? parse_labels(body, size, type, ext) : -EINVAL;
	if (type == FB_WIRE_EXT_GROUPS)
		return flags & FB_INIT_CREATE_SUPP_GROUP ? parse_groups(body, size, ext) : -EINVAL;
	return 0;
}

int fb_extension_parse(const uint8_t *at, size_t size, uint64_t flags, struct fb_ext *ret_ext)
{
	struct fb_wire_ext_header header;
	int r = 0;

	assert(size % 8 == 0);
	while (r == 0 && size > 0) {
		memcpy(&header, at, sizeof(header));
		if (header.size < sizeof(header) || header.size % 8 != 0 || header.size > size)
			return -EINVAL;
		r = parse_one(at + sizeof(header), header.size - sizeof(header), header.type, flags,
			      ret_ext);
		at += header.size;
		size -= header.size;
	}
	return r;
}
