#include "base/help.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/option_value.h"

enum { COLUMN = 30, LONGEST_VALUES = 512 };

static dg_help_form form;
static const char *verb = "";

static const dg_option help_option = {.name = "help", .kind = DG_OPTION_FLAG, .help = "this text"};

void dg_help_choose(dg_help_form chosen, const char *of) {
  form = chosen, verb = of;
}

static const char *after_line(const char *text) {
  text += strcspn(text, "\n");
  return *text ? text + 1 : text;
}

static bool begins(const char *text, const char *word) {
  return strncmp(text, word, strlen(word)) == 0;
}

/* ---- man ------------------------------------------------------------------------------------------------------- */

/* Characters that roff would take for its own, or print as others than they are. */
static void put_roff(const char *text, size_t length) {
  static const struct {
    char plain;
    const char *roff;
  } marked[] = {{'-', "\\-"}, {'\\', "\\e"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};
  if (length > 0 && *text == '.') fputs("\\&", stdout);
  for (size_t i = 0; i < length; i++) {
    const char *roff = NULL;
    for (size_t k = 0; k < sizeof marked / sizeof *marked; k++)
      if (text[i] == marked[k].plain) roff = marked[k].roff;
    if (roff)
      fputs(roff, stdout);
    else
      putchar(text[i]);
  }
}

/* Lines of running text, as they are broken in the table. */
static void put_roff_lines(const char *text) {
  for (; *text; text = after_line(text)) {
    put_roff(text, strcspn(text, "\n"));
    putchar('\n');
  }
}

static void put_section(const char *title) {
  fputs(".SH ", stdout);
  for (const char *c = title; *c; c++) putchar(toupper((unsigned char)*c));
  putchar('\n');
}

/* As they are, without that, the lines that begin so and those indented below them. */
static void put_roff_commands(const char *text, const char *word) {
  fputs(".nf\n", stdout);
  for (bool inside = false; *text; text = after_line(text)) {
    const bool first = begins(text, word);
    inside = first || (inside && *text == ' ');
    if (!inside) continue;
    const char *from = first ? text + strlen(word) : text;
    from += strspn(from, " ");
    put_roff(from, strcspn(from, "\n"));
    putchar('\n');
  }
  fputs(".fi\n", stdout);
}

static void put_roff_row(const char *name, const char *values, const char *text) {
  fputs(".TP\n\\fB", stdout);
  put_roff(name, strlen(name));
  fputs("\\fR", stdout);
  if (*values) {
    fputs(" \\fI", stdout);
    put_roff(values, strlen(values));
    fputs("\\fR", stdout);
  }
  putchar('\n');
  put_roff_lines(text);
}

/* ---- one row in each form -------------------------------------------------------------------------------------- */

static void put_text_row(const char *name, const char *values, const char *text, int column) {
  char left[LONGEST_VALUES + 80];
  const int width = snprintf(left, sizeof left, "  %s%s%s", name, *values ? " " : "", values);
  if (width >= column) printf("%s\n", left);
  printf("%-*s", column, width >= column ? "" : left);
  for (const char *line = text; *line; line = after_line(line))
    printf("%*s%.*s\n", line == text ? 0 : column, "", (int)strcspn(line, "\n"), line);
}

static const char *or_dash(const char *field) {
  return *field ? field : "-";
}

static void put_table_row(const char *name, const char *values, const char *text) {
  printf("%s\t%s\t%s\t", verb, or_dash(name), or_dash(values));
  for (; *text; text++) putchar(*text == '\n' ? ' ' : *text);
  putchar('\n');
}

static void put_row(const char *name, const char *values, const char *text, int column) {
  if (form == DG_HELP_TEXT)
    put_text_row(name, values, text, column);
  else if (form == DG_HELP_MAN)
    put_roff_row(name, values, text);
  else
    put_table_row(name, values, text);
}

/* ---- options --------------------------------------------------------------------------------------------------- */

/* Shells complete the values that are known; people read what kind of value it is, where there is a name for that. */
static void print_option(const dg_option *option) {
  char name[64], values[LONGEST_VALUES] = "";
  snprintf(name, sizeof name, "--%s", option->name);
  const char *between = form == DG_HELP_TABLE ? " " : "|";
  if (option->choices) dg_option_join(values, sizeof values, option->choices, between, between);
  const bool named = option->argument && (form != DG_HELP_TABLE || !option->choices);
  put_row(name, named ? option->argument : values, option->help, COLUMN);
}

static bool is_in_group(const dg_option *option, const char *group) {
  return option->help && (group ? option->group && strcmp(option->group, group) == 0 : !option->group);
}

static void print_group(const dg_option *options, const char *group) {
  if (form == DG_HELP_TEXT) printf("\n%s:\n", group ? group : "options");
  if (form == DG_HELP_MAN && (group || options->group)) printf(".SS %s\n", group ? group : "other");
  for (const dg_option *option = options; option->name; option++)
    if (is_in_group(option, group)) print_option(option);
}

/* Groups in the order of their first options, then what is in none. */
static void print_options(const dg_option *options) {
  if (form == DG_HELP_MAN) put_section("options");
  for (const dg_option *option = options; option->name; option++) {
    bool first = option->help && option->group;
    for (const dg_option *earlier = options; first && earlier < option; earlier++)
      first = !is_in_group(earlier, option->group);
    if (first) print_group(options, option->group);
  }
  print_group(options, NULL);
  print_option(&help_option);
}

/* Synopsis, and the sentences between it and the examples. */
static void print_purpose(const char *usage) {
  put_section("synopsis");
  put_roff_commands(usage, "usage: ");
  if (!strchr(usage, '\n')) return;
  put_section("description");
  for (; *usage; usage = after_line(usage)) {
    if (begins(usage, "usage: ") || begins(usage, "example") || *usage == ' ') continue;
    put_roff(usage, strcspn(usage, "\n"));
    putchar('\n');
  }
}

void dg_help_print(const dg_option *options, const char *usage) {
  if (form == DG_HELP_TEXT) printf("%s%s", usage, usage[strlen(usage) - 1] == '\n' ? "" : "\n");
  if (form == DG_HELP_MAN) print_purpose(usage);
  if (options) print_options(options);
  if (form != DG_HELP_MAN || !strstr(usage, "\nexample: ")) return;
  put_section("examples");
  put_roff_commands(usage, "example: ");
}

/* ---- pages ----------------------------------------------------------------------------------------------------- */

void dg_help_begin(const char *what) {
  if (form == DG_HELP_TABLE) put_table_row("", "", what);
  if (form != DG_HELP_MAN) return;
  const char *dash = *verb ? "-" : "";
  printf(".TH distgat%s%s 1 \"\" \"distgat " DG_VERSION "\" \"User commands\"\n", dash, verb);
  printf(".SH NAME\ndistgat%s%s \\- ", dash, verb);
  put_roff_lines(what);
}

void dg_help_end(const dg_help_row *verbs, int n) {
  if (form != DG_HELP_MAN) return;
  put_section("see also");
  if (*verb) puts(".BR distgat (1),");
  for (int i = 0; i < n; i++) printf(".BR distgat\\-%s (1)%s\n", verbs[i].name, i + 1 < n ? "," : "");
}

void dg_help_rows(const char *title, const dg_help_row *rows, int n) {
  if (form == DG_HELP_TABLE) return;
  if (form == DG_HELP_TEXT) printf("\n%s:\n", title);
  if (form == DG_HELP_MAN) put_section(title);
  size_t longest = 0;
  for (int i = 0; i < n; i++)
    if (strlen(rows[i].name) > longest) longest = strlen(rows[i].name);
  for (int i = 0; i < n; i++) put_row(rows[i].name, "", rows[i].text, (int)longest + 4);
}

void dg_help_note(const char *title, const char *text) {
  if (form == DG_HELP_TEXT) printf("\n%s\n", text);
  if (form != DG_HELP_MAN) return;
  put_section(title);
  bool command = false;
  for (; *text; text = after_line(text)) {
    if ((*text == ' ') != command) fputs(command ? ".fi\n.PP\n" : ".PP\n.nf\n", stdout);
    command = *text == ' ';
    put_roff(text + strspn(text, " "), strcspn(text + strspn(text, " "), "\n"));
    putchar('\n');
  }
  if (command) fputs(".fi\n", stdout);
}
