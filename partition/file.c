#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <distgat/files.h>
#include <distgat/h5io.h>
#include <distgat/memory.h>
#include <distgat/partition.h>

#include "blocks.h"

/* Nodes whose parts are read at a time. */
#define PIECE ((int64_t)1 << 20)

static dg_status write_step(dg_h5 *file, const dg_step_quality *step) {
  dg_status status = DG_OK;
  DG_TRY(dg_h5_set_string(file, "step_split", step->split));
  DG_TRY(dg_h5_set_int64(file, "step_layers", step->layers));
  DG_TRY(dg_h5_set_double(file, "step_nonzero_imbalance", step->nonzero_imbalance));
  DG_TRY(dg_h5_set_double(file, "step_edge_imbalance", step->first_edge_imbalance));
  DG_TRY(dg_h5_set_int64(file, "step_halo_nodes", step->halo_nodes));
  DG_TRY(dg_h5_set_int64(file, "step_idle_parts", step->idle_parts));
cleanup:
  return status;
}

static dg_status write_attributes(dg_h5 *file, const dg_partition_quality *quality, const char *method,
                                  uint64_t fingerprint) {
  dg_status status = DG_OK;
  char digits[17];
  snprintf(digits, sizeof digits, "%016" PRIx64, fingerprint);
  DG_TRY(dg_h5_set_int64(file, "parts", quality->parts));
  DG_TRY(dg_h5_set_int64(file, "edge_cut", quality->edge_cut));
  DG_TRY(dg_h5_set_int64(file, "halo_nodes", quality->halo_nodes));
  DG_TRY(dg_h5_set_double(file, "node_imbalance", quality->node_imbalance));
  DG_TRY(dg_h5_set_double(file, "edge_imbalance", quality->edge_imbalance));
  DG_TRY(dg_h5_set_string(file, "method", method));
  if (quality->step.split) DG_TRY(write_step(file, &quality->step));
  if (fingerprint != 0) DG_TRY(dg_h5_set_string(file, "fingerprint", digits));
cleanup:
  return status;
}

dg_status dg_partition_save(const char *path, const int32_t *part, int64_t n_nodes, const dg_partition_quality *quality,
                            const char *method, uint64_t fingerprint) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  DG_TRY(dg_h5_create(&file, path));
  DG_TRY(write_attributes(file, quality, method, fingerprint));
  DG_TRY(dg_h5_write(file, "part", DG_H5_I32, 1, &n_nodes, part));
  DG_TRY(dg_h5_commit(&file));
cleanup:
  dg_h5_close(&file);
  return status;
}

static dg_status begin_file(dg_h5 **file, const char *path, const dg_partition_quality *quality, const char *method,
                            uint64_t fingerprint) {
  const dg_status status = dg_h5_create(file, path);
  return status == DG_OK ? write_attributes(*file, quality, method, fingerprint) : status;
}

dg_status dg_blocks_save(const char *path, const dg_blocks *blocks, const int32_t *part,
                         const dg_partition_quality *quality, const char *method, uint64_t fingerprint) {
  dg_status status = DG_OK;
  dg_h5 *file = NULL;
  const dg_comm *comm = blocks->level.comm;
  const dg_piece piece = {.name = "part", .type = DG_H5_I32, .n = blocks->level.n, .data = part};
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? begin_file(&file, path, quality, method, fingerprint) : DG_OK));
  DG_TRY(dg_piece_create(comm, file, &piece));
  DG_TRY(dg_piece_write(comm, file, &piece));
  DG_TRY(dg_comm_agree(comm, file == NULL ? DG_OK : dg_h5_commit(&file)));
cleanup:
  dg_h5_close(&file);
  return status;
}

static dg_status check_header(dg_h5 *file, const char *path, int64_t n_nodes, int *parts) {
  dg_status status = DG_OK;
  int rank;
  int64_t extent[DG_H5_MAX_RANK], stored_parts;
  dg_h5_type type;
  if (!dg_h5_exists(file, "part") || !dg_h5_attribute_exists(file, "parts"))
    return dg_fail(DG_INPUT,
                   "%s is no partition file: it lacks /part or the attribute parts; write one with distgat "
                   "partition",
                   path);
  DG_TRY(dg_h5_get_int64(file, "parts", &stored_parts));
  DG_TRY(dg_h5_type_of(file, "part", &type));
  DG_TRY(dg_h5_shape(file, "part", &rank, extent));
  if (stored_parts < 1 || stored_parts > INT_MAX)
    return dg_fail(DG_INPUT, "%s: attribute parts is %lld; it must be at least 1", path, (long long)stored_parts);
  if (rank != 1 || (type != DG_H5_I32 && type != DG_H5_I64))
    return dg_fail(DG_INPUT, "%s: /part must be one integer a node", path);
  if (extent[0] != n_nodes)
    return dg_fail(DG_INPUT, "%s is for %lld nodes, the graph has %lld; partition this graph again", path,
                   (long long)extent[0], (long long)n_nodes);
  *parts = (int)stored_parts;
cleanup:
  return status;
}

/* 0 where the file says none. */
static dg_status read_fingerprint(uint64_t *fingerprint, dg_h5 *file) {
  dg_status status = DG_OK;
  char *digits = NULL;
  if (!dg_h5_attribute_exists(file, "fingerprint")) return DG_OK;
  DG_TRY(dg_h5_get_string(file, "fingerprint", &digits));
  if (strlen(digits) != 16 || strspn(digits, "0123456789abcdef") != 16)
    status = dg_fail(DG_INPUT, "%s: attribute fingerprint must be 16 hexadecimal digits", dg_h5_path(file));
  else
    *fingerprint = strtoull(digits, NULL, 16);
cleanup:
  free(digits);
  return status;
}

/* Reads a line that holds one part number and nothing else. */
static bool read_number(const char *line, int32_t *number) {
  char *end;
  errno = 0;
  long value = strtol(line, &end, 10);
  if (end == line || errno || value < 0 || value >= INT32_MAX) return false;
  *number = (int32_t)value;
  return end[strspn(end, " \t\r\n")] == '\0';
}

/* Whether all of a line was read: no null character hides its end, and it fits. */
static bool is_whole(const char *line, FILE *text) {
  return strchr(line, '\n') != NULL || feof(text);
}

/* Reads n numbers, and where they are the last all that follows. Blank lines may stand at the end only. */
static dg_status read_lines(dg_part_reader *r, int32_t *part, int64_t n) {
  char line[64];
  const bool last = r->n + n == r->n_nodes;
  int64_t wrong = 0, got = 0;
  while ((last || got < n) && !wrong && fgets(line, sizeof line, r->text)) {
    int32_t number;
    r->line++;
    if (!is_whole(line, r->text)) {
      wrong = r->line;
    } else if (line[strspn(line, " \t\r\n")] == '\0') {
      r->blank = r->blank ? r->blank : r->line;
    } else if (r->blank || !read_number(line, &number)) {
      wrong = r->blank ? r->blank : r->line;
    } else {
      if (got < n) part[got] = number;
      if (number >= r->parts) r->parts = number + 1;
      got++;
    }
  }
  if (ferror(r->text)) return dg_file_cannot_read(r->path, errno);
  if (wrong)
    return dg_fail(DG_INPUT, "%s: line %lld is no part number; there must be one a line, from 0", r->path,
                   (long long)wrong);
  if (got != n)
    return dg_fail(DG_INPUT, "%s has %lld part numbers, the graph %lld nodes; partition this graph again", r->path,
                   (long long)(r->n + got), (long long)r->n_nodes);
  return DG_OK;
}

static dg_status read_values(dg_part_reader *r, int32_t *part, int64_t n) {
  dg_status status = dg_h5_read(r->h5, "part", DG_H5_I32, r->n, n, part);
  for (int64_t i = 0; i < n && status == DG_OK; i++)
    if (part[i] < 0 || part[i] >= r->parts)
      status = dg_fail(DG_INPUT, "%s: node %lld is in part %d; of %d parts the numbers are 0 to %d", r->path,
                       (long long)(r->n + i), part[i], r->parts, r->parts - 1);
  return status;
}

dg_status dg_part_reader_open(dg_part_reader *reader, const char *path, int64_t n_nodes) {
  static const char signature[] = "\211HDF\r\n\032\n";
  char head[sizeof signature - 1];
  dg_status status = DG_OK;
  *reader = (dg_part_reader){.path = path, .n_nodes = n_nodes, .parts = 1};
  reader->text = fopen(path, "rb");
  if (!reader->text) return dg_file_cannot_read(path, errno);
  const bool is_h5 =
      fread(head, 1, sizeof head, reader->text) == sizeof head && memcmp(head, signature, sizeof head) == 0;
  if (ferror(reader->text)) DG_TRY(dg_file_cannot_read(path, errno));
  rewind(reader->text);
  if (!is_h5) return DG_OK;
  DG_TRY(dg_h5_open(&reader->h5, path));
  DG_TRY(check_header(reader->h5, path, n_nodes, &reader->parts));
  DG_TRY(read_fingerprint(&reader->made_for, reader->h5));
cleanup:
  if (status != DG_OK) dg_part_reader_close(reader);
  return status;
}

dg_status dg_part_reader_next(dg_part_reader *reader, int32_t *part, int64_t n) {
  const dg_status status = reader->h5 ? read_values(reader, part, n) : read_lines(reader, part, n);
  reader->n += n;
  return status;
}

dg_status dg_part_reader_spread(dg_part_reader *reader, const dg_comm *comm, dg_directory *owners) {
  dg_status status = DG_OK;
  const int64_t n = owners->n_nodes, room = PIECE < n ? PIECE : n;
  int32_t *part = NULL;
  DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? dg_alloc(&part, (size_t)room, sizeof *part) : DG_OK));
  for (int64_t at = 0; at < n; at += room) {
    const int64_t count = room < n - at ? room : n - at;
    DG_TRY(dg_comm_agree(comm, comm->rank == 0 ? dg_part_reader_next(reader, part, count) : DG_OK));
    DG_TRY(dg_directory_spread(owners, comm, part, at, count));
  }
cleanup:
  dg_free(&part);
  return status;
}

void dg_part_reader_close(dg_part_reader *reader) {
  if (reader->text) fclose(reader->text);
  reader->text = NULL;
  dg_h5_close(&reader->h5);
}

dg_status dg_partition_load(int32_t *part, int *parts, uint64_t *made_for, const char *path, int64_t n_nodes) {
  dg_status status = DG_OK;
  dg_part_reader reader = {0};
  *made_for = 0;
  DG_TRY(dg_part_reader_open(&reader, path, n_nodes));
  DG_TRY(dg_part_reader_next(&reader, part, n_nodes));
  *parts = reader.parts, *made_for = reader.made_for;
cleanup:
  dg_part_reader_close(&reader);
  return status;
}

dg_status dg_partition_check_file(const dg_partition_config *config, int parts, uint64_t made_for) {
  const dg_status status = dg_partition_check_graph(config->from, made_for, config->fingerprint);
  if (status != DG_OK || parts <= config->parts) return status;
  return dg_fail(DG_INPUT, "%s has %d parts (numbers 0 to %d), not %d; say --parts %d", config->from, parts, parts - 1,
                 config->parts, parts);
}

dg_status dg_partition_check_graph(const char *path, uint64_t made_for, uint64_t fingerprint) {
  if (made_for == 0 || fingerprint == 0 || made_for == fingerprint) return DG_OK;
  return dg_fail(DG_INPUT,
                 "%s was made for another graph (fingerprint %016" PRIx64 ", this one has %016" PRIx64
                 "); partition this graph again",
                 path, made_for, fingerprint);
}
