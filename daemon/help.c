/* SPDX-License-Identifier: BSD-3-Clause */
#include "help.h"

#include <string.h>

#include "option.h"

#define HELP_COLUMN 32
#define HELP_WIDTH 96

/* Print text in words from HELP_COLUMN on; the cursor is at column. */
static void print_wrapped(FILE *to, size_t column, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, " ");

		if (column < HELP_COLUMN)
			column += (size_t)fprintf(to, "%*s", (int)(HELP_COLUMN - column), "");
		else if (column + 1 + length > HELP_WIDTH)
			column = (size_t)fprintf(to, "\n%*s", HELP_COLUMN, "") - 1;
		else if (column > HELP_COLUMN)
			column += (size_t)fprintf(to, " ");
		column += (size_t)fprintf(to, "%.*s", (int)length, text);
		text += length;
		text += *text == ' ';
	}
}

/* -o a|b|c=X, broken where it gets too long. Returns the column. */
static size_t print_words(FILE *to, const struct option_row *row)
{
	size_t column = (size_t)fprintf(to, "  -o ");

	for (const char *name = row->name; *name;) {
		size_t length = strcspn(name, "|");

		length += name[length] == '|';
		if (column + length > HELP_WIDTH)
			column = (size_t)fprintf(to, "\n     ") - 1;
		column += (size_t)fprintf(to, "%.*s", (int)length, name);
		name += length;
	}
	if (row->argument)
		column += (size_t)fprintf(to, "=%s", row->argument);
	return column;
}

/* -f, --foreground; --[no-]xattr; --cache=POLICY. Returns the column. */
static size_t print_spelling(FILE *to, const struct option_row *row)
{
	const char *argument = row->argument ? row->argument : "";
	const char *equals = row->argument && !option_value_is_optional(row) ? "=" : "";
	int column;

	if (row->letter)
		column = fprintf(to, "  -%c, --%s%s%s", row->letter, row->name, equals, argument);
	else
		column = fprintf(to, "      --%s%s%s%s", option_can_be_off(row) ? "[no-]" : "",
				 row->name, equals, argument);
	return (size_t)column;
}

static void print_option(FILE *to, const struct option_row *row)
{
	size_t column = option_is_word(row) ? print_words(to, row) : print_spelling(to, row);
	char help[512];

	if (column >= HELP_COLUMN - 1) {
		fputs("\n", to);
		column = 0;
	}
	snprintf(help, sizeof(help), "%s%s%s%s", row->help, row->preset ? " [" : "",
		 row->preset ? row->preset : "", row->preset ? "]" : "");
	print_wrapped(to, column, help);
	fputs("\n", to);
}

void help_print(FILE *to)
{
	enum option_group group = GROUP_HIDDEN;

	fputs("Usage: fbfsd [options] SOURCE MOUNTPOINT\n"
	      "       mount -t fuse.fbfsd [-o options] SOURCE MOUNTPOINT\n"
	      "       fbfsd --socket-path=PATH --shared-dir=SOURCE [options]\n"
	      "       fbfsd --config=FILE [options]\n"
	      "\n"
	      "Show the directory (or regular file) SOURCE at MOUNTPOINT until that is unmounted\n"
	      "(umount MOUNTPOINT, or fusermount3 -u MOUNTPOINT) or fbfsd is stopped by SIGTERM,\n"
	      "SIGINT or SIGHUP. With --socket-path, show it to a virtual machine as a virtio-fs\n"
	      "device, in place of virtiofsd. Defaults stand in [].\n",
	      to);
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (row->group == GROUP_HIDDEN)
			continue;
		if (row->group != group)
			fprintf(to, "\n%s:\n", option_group_title(row->group));
		group = row->group;
		print_option(to, row);
	}
	fputs("\nMore: man 8 fbfsd\n", to);
}
