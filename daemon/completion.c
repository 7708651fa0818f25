/* SPDX-License-Identifier: BSD-3-Clause */
#include "completion.h"

#include <errno.h>
#include <string.h>

#include "option.h"

/* Print one option, or its no- form, in a shell's way. */
typedef void print_option_fn(FILE *to, const struct option_row *row, const char *no);

static void for_each_long_option(FILE *to, print_option_fn *print)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (option_is_word(row) || row->group == GROUP_HIDDEN)
			continue;
		print(to, row, "");
		if (option_can_be_off(row))
			print(to, row, "no-");
	}
}

static bool wants_file(const struct option_row *row)
{
	return row->argument &&
	       (strstr(row->argument, "FILE") || strcmp(row->argument, "SOURCE") == 0);
}

/* The values to choose from, with a separator after each. */
static void print_choices(FILE *to, const struct option_row *row, const char *separator)
{
	for (const struct option_choice *choice = row->detail.choices; choice->name; choice++)
		fprintf(to, "%s%s", choice->name, choice[1].name ? separator : "");
}

/* A help text within '…' of a shell, where neither a quote nor a bracket may stand. */
static void print_quoted(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", to);
		else if (strchr("[]:\\", *text))
			fprintf(to, "%s", *text == ':' ? " -" : "");
		else
			fputc(*text, to);
	}
}

static void bash_name(FILE *to, const struct option_row *row, const char *no)
{
	bool needs_value = row->argument && !*no && !option_value_is_optional(row);

	if (row->letter)
		fprintf(to, "-%c ", row->letter);
	fprintf(to, "--%s%s%s ", no, row->name, needs_value ? "=" : "");
}

static void bash_value(FILE *to, const struct option_row *row, const char *no)
{
	if (*no || !row->argument)
		return;
	if (row->kind == OPTION_CHOICE) {
		fprintf(to, "\t--%s)\n\t\tCOMPREPLY=($(compgen -W \"", row->name);
		print_choices(to, row, " ");
		fputs("\" -- \"$current\"))\n\t\treturn ;;\n", to);
	} else if (!wants_file(row)) {
		fprintf(to, "\t--%s) return ;;\n", row->name);
	}
}

/* Options whose values are files fall through to compopt -o default, which knows files. */
static void print_bash(FILE *to)
{
	fputs("# bash completion for fbfsd, made by fbfsd --print-completion bash\n"
	      "_fbfsd()\n{\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\n"
	      "\tif [[ $current == \"=\" ]]; then\n"
	      "\t\tcurrent=\n"
	      "\telif [[ $before == \"=\" ]]; then\n"
	      "\t\tbefore=${COMP_WORDS[COMP_CWORD - 2]}\n"
	      "\tfi\n"
	      "\tcase $before in\n",
	      to);
	for_each_long_option(to, bash_value);
	fputs("\tesac\n"
	      "\tif [[ $current == -* ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"",
	      to);
	for_each_long_option(to, bash_name);
	fputs("\" -- \"$current\"))\n"
	      "\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
	      "\tfi\n"
	      "}\n"
	      "complete -o default -F _fbfsd fbfsd\n",
	      to);
}

static void zsh_option(FILE *to, const struct option_row *row, const char *no)
{
	fputs("\t'", to);
	if (row->letter)
		fprintf(to, "(-%c --%s)'{-%c,--%s}'", row->letter, row->name, row->letter,
			row->name);
	else
		fprintf(to, "--%s%s", no, row->name);
	if (row->argument && !*no && !row->letter)
		fputs(option_value_is_optional(row) ? "=-" : "=", to);
	fprintf(to, "[%s", *no ? "off - " : "");
	print_quoted(to, row->help);
	fputs("]", to);
	if (row->argument && !*no) {
		fprintf(to, "%s%s:", option_value_is_optional(row) ? "::" : ":", row->name);
		if (row->kind == OPTION_CHOICE) {
			fputs("(", to);
			print_choices(to, row, " ");
			fputs(")", to);
		} else if (wants_file(row)) {
			fputs("_files", to);
		}
	}
	fputs("' \\\n", to);
}

static void print_zsh(FILE *to)
{
	fputs("#compdef fbfsd\n"
	      "# zsh completion for fbfsd, made by fbfsd --print-completion zsh\n"
	      "_arguments -s -S \\\n",
	      to);
	for_each_long_option(to, zsh_option);
	fputs("\t'1:source:_files' \\\n"
	      "\t'2:mountpoint:_files'\n",
	      to);
}

static void fish_option(FILE *to, const struct option_row *row, const char *no)
{
	fprintf(to, "complete -c fbfsd -l %s%s", no, row->name);
	if (row->letter)
		fprintf(to, " -s %c", row->letter);
	if (row->argument && !*no && row->kind == OPTION_CHOICE) {
		fputs(" -x -a '", to);
		print_choices(to, row, " ");
		fputs("'", to);
	} else if (row->argument && !*no && !option_value_is_optional(row)) {
		fputs(wants_file(row) ? " -r -F" : " -x", to);
	}
	fprintf(to, " -d '%s", *no ? "off - " : "");
	print_quoted(to, row->help);
	fputs("'\n", to);
}

static void print_fish(FILE *to)
{
	fputs("# fish completion for fbfsd, made by fbfsd --print-completion fish\n", to);
	for_each_long_option(to, fish_option);
}

int completion_print(FILE *to, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		print_bash(to);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(to);
	else if (strcmp(shell, "fish") == 0)
		print_fish(to);
	else
		return fb_fail(EINVAL, "--print-completion: '%s' is none of bash, zsh, fish",
			       shell);
	return 0;
}
