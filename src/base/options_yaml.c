#include <distgat/options.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include <distgat/files.h>

#include "base/nearest.h"
#include "base/option_value.h"
#include "base/utf8.h"

/* ---- reading ---- */

/* Finds an option by its name in a file, where weight_decay is as good as weight-decay. */
static dg_option *find_option(dg_option *options, const char *name) {
  for (dg_option *option = options; option->name; option++) {
    const char *a = option->name, *b = name;
    while (*a && (*a == *b || (*a == '-' && *b == '_'))) a++, b++;
    if (!*a && !*b) return option;
  }
  return NULL;
}

/* NULL where it is none, or holds a null character, behind which C sees nothing. */
static const char *scalar_text(yaml_document_t *document, int node) {
  const yaml_node_t *scalar = yaml_document_get_node(document, node);
  if (scalar->type != YAML_SCALAR_NODE) return NULL;
  const char *text = (const char *)scalar->data.scalar.value;
  return strlen(text) == scalar->data.scalar.length ? text : NULL;
}

/* Whether one of the pairs before `pair` sets the same option. */
static bool set_before(dg_option *options, yaml_document_t *document, const yaml_node_pair_t *first,
                       const yaml_node_pair_t *pair, const dg_option *option) {
  for (const yaml_node_pair_t *earlier = first; earlier < pair; earlier++)
    if (find_option(options, scalar_text(document, earlier->key)) == option) return true;
  return false;
}

static dg_status fail_unknown(const dg_option *options, const char *name, const char *where) {
  const char *near = dg_option_nearest(options, name);
  if (near) return dg_fail(DG_INPUT, "%s: unknown option '%s'; did you mean %s?", where, name, near);
  return dg_fail(DG_INPUT, "%s: unknown option '%s'; --help lists the options", where, name);
}

static dg_status set_pair(dg_option *options, yaml_document_t *document, const yaml_node_pair_t *first,
                          const yaml_node_pair_t *pair, const char *path) {
  char where[512];
  size_t line = yaml_document_get_node(document, pair->key)->start_mark.line + 1;
  snprintf(where, sizeof where, "%s:%zu", path, line);
  const char *name = scalar_text(document, pair->key), *text = scalar_text(document, pair->value);
  if (!name) return dg_fail(DG_INPUT, "%s: the name of an option was expected", where);
  dg_option *option = find_option(options, name);
  if (!option) return fail_unknown(options, name, where);
  if (option->typed) return dg_fail(DG_INPUT, "%s: %s is for the command line", where, name);
  if (!text) return dg_fail(DG_INPUT, "%s: %s must be one value in plain text, not a list or a mapping", where, name);
  if (set_before(options, document, first, pair, option)) return dg_fail(DG_INPUT, "%s: %s is set twice", where, name);
  if (option->given) return DG_OK;
  dg_status status = dg_options_set(option, text, where);
  return status == DG_USAGE ? DG_INPUT : status;
}

/* The document's pairs; an empty file has none. */
static dg_status set_all(dg_option *options, yaml_document_t *document, const char *path) {
  const yaml_node_t *root = yaml_document_get_root_node(document);
  if (!root) return DG_OK;
  if (root->type != YAML_MAPPING_NODE) return dg_fail(DG_INPUT, "%s: lines 'name: value' were expected", path);
  const yaml_node_pair_t *first = root->data.mapping.pairs.start, *end = root->data.mapping.pairs.top;
  dg_status status = DG_OK;
  for (const yaml_node_pair_t *pair = first; pair < end && status == DG_OK; pair++)
    status = set_pair(options, document, first, pair, path);
  return status;
}

/* What is longer may have no end, and brackets within brackets cost the library the square of their number. */
enum { MOST_BYTES = 1 << 20, MOST_BRACKETS = 1000 };

/* A file that is read, and why it could not be: an errno, 0 where it could. */
typedef struct source {
  int fd, error;
  size_t length, brackets;
} source;

/* For the parser, which calls what ends early damaged. */
static int read_some(void *context, unsigned char *text, size_t room, size_t *length) {
  source *from = context;
  ssize_t n;
  do n = read(from->fd, text, room);
  while (n < 0 && errno == EINTR);
  from->error = n < 0 ? errno : 0;
  *length = n < 0 ? 0 : (size_t)n;
  from->length += *length;
  for (size_t i = 0; i < *length; i++) from->brackets += text[i] == '[' || text[i] == '{';
  if (from->length > MOST_BYTES || from->brackets > MOST_BRACKETS) from->error = EFBIG;
  return from->error == 0;
}

static dg_status fail_parse(const yaml_parser_t *parser, const source *from, const char *path) {
  if (from->error == EFBIG)
    return dg_fail(DG_INPUT, "%s: holds more than options: over %d bytes, or over %d brackets", path, MOST_BYTES,
                   MOST_BRACKETS);
  if (from->error != 0) return dg_file_cannot_read(path, from->error);
  if (parser->error == YAML_READER_ERROR) return dg_fail(DG_INPUT, "%s is not a readable text file", path);
  if (parser->error == YAML_MEMORY_ERROR) return dg_fail(DG_MEMORY, "out of memory for %s", path);
  return dg_fail(DG_INPUT, "%s:%zu: not YAML: %s", path, parser->problem_mark.line + 1, parser->problem);
}

/* Nothing is read of what a second document says: there must be none. */
static dg_status check_end(yaml_parser_t *parser, const source *from, const char *path) {
  dg_status status = DG_OK;
  yaml_document_t rest;
  if (!yaml_parser_load(parser, &rest)) return fail_parse(parser, from, path);
  const yaml_node_t *root = yaml_document_get_root_node(&rest);
  if (root)
    status = dg_fail(DG_INPUT, "%s:%zu: a second document; all options stand in one", path, root->start_mark.line + 1);
  yaml_document_delete(&rest);
  return status;
}

static dg_status load(dg_option *options, source *from, const char *path) {
  dg_status status;
  yaml_parser_t parser;
  yaml_document_t document;
  if (!yaml_parser_initialize(&parser)) return dg_fail(DG_MEMORY, "out of memory for %s", path);
  yaml_parser_set_input(&parser, read_some, from);
  if (yaml_parser_load(&parser, &document)) {
    status = set_all(options, &document, path);
    yaml_document_delete(&document);
    if (status == DG_OK) status = check_end(&parser, from, path);
  } else {
    status = fail_parse(&parser, from, path);
  }
  yaml_parser_delete(&parser);
  return status;
}

dg_status dg_options_load_yaml(dg_option *options, const char *path) {
  source from = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
  if (from.fd < 0) return dg_file_cannot_read(path, errno);
  const dg_status status = load(options, &from, path);
  close(from.fd);
  return status;
}

/* ---- printing ---- */

static bool emit_scalar(yaml_emitter_t *emitter, const char *text) {
  yaml_event_t event;
  return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, -1, 1, 1, YAML_ANY_SCALAR_STYLE) &&
         yaml_emitter_emit(emitter, &event);
}

static bool emit_all(yaml_emitter_t *emitter, const dg_option *const *options, int n) {
  yaml_event_t event;
  char number[32];
  bool good = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && yaml_emitter_emit(emitter, &event);
  good =
      good && yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) && yaml_emitter_emit(emitter, &event);
  good = good && yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) &&
         yaml_emitter_emit(emitter, &event);
  for (int i = 0; good && i < n; i++)
    good = emit_scalar(emitter, options[i]->name) && emit_scalar(emitter, dg_option_value(number, options[i]));
  good = good && yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
  good = good && yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event);
  return good && yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

/* YAML holds UTF-8 alone, and the library would print half of it before it fails, or surrogates that it never reads. */
static dg_status check_text(const dg_option *option) {
  char number[32];
  for (const char *text = dg_option_value(number, option); *text; text += dg_utf8_length(text))
    if (dg_utf8_length(text) == 0)
      return dg_fail(DG_USAGE, "--%s: YAML holds UTF-8 alone, and the value of this option is none", option->name);
  return DG_OK;
}

dg_status dg_options_print_yaml(FILE *out, const dg_option *const *options, int n) {
  yaml_emitter_t emitter;
  for (int i = 0; i < n; i++) {
    const dg_status status = check_text(options[i]);
    if (status != DG_OK) return status;
  }
  if (!yaml_emitter_initialize(&emitter)) return dg_fail(DG_MEMORY, "out of memory for the options");
  yaml_emitter_set_output_file(&emitter, out);
  yaml_emitter_set_unicode(&emitter, 1);
  yaml_emitter_set_width(&emitter, -1);
  const bool printed = emit_all(&emitter, options, n), short_of_memory = emitter.error == YAML_MEMORY_ERROR;
  yaml_emitter_delete(&emitter);
  if (printed) return DG_OK;
  if (short_of_memory) return dg_fail(DG_MEMORY, "out of memory for the options");
  return dg_fail(DG_IO, "the options could not be printed");
}
