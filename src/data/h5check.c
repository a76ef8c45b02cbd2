#include "data/h5check.h"

#include <stdint.h>

/* Deflate makes at most 1032 bytes of one; parts of chunks that were never written take no room either. */
enum { MOST_DEFLATED = 1032, ALWAYS_FINE = 1 << 20 };

/* Filters of the library itself that check what they are given. Others of its own trust their input; those from 256 on
   are installed by hand. */
static bool known_filter(H5Z_filter_t filter) {
  return filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32 ||
         filter >= H5Z_FILTER_RESERVED;
}

static bool sane_real(hid_t type, size_t first, size_t end) {
  size_t sign, exponent, exponent_bits, fraction, fraction_bits;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0) return false;
  if (exponent_bits < 1 || exponent_bits > 15 || fraction_bits < 1 || fraction_bits > 112) return false;
  const bool inside = fraction >= first && exponent >= first && sign >= first && sign < end &&
                      fraction + fraction_bits <= end && exponent + exponent_bits <= end;
  const bool apart = (fraction + fraction_bits <= exponent || exponent + exponent_bits <= fraction) &&
                     (sign < exponent || sign >= exponent + exponent_bits) &&
                     (sign < fraction || sign >= fraction + fraction_bits);
  return inside && apart;
}

bool dg_h5check_number(hid_t type) {
  const H5T_class_t class = H5Tget_class(type);
  if (class != H5T_INTEGER && class != H5T_FLOAT) return false;
  const size_t size = H5Tget_size(type), precision = H5Tget_precision(type);
  const int first = H5Tget_offset(type);
  const H5T_order_t order = H5Tget_order(type);
  if (order != H5T_ORDER_LE && order != H5T_ORDER_BE) return false;
  if (size < 1 || size > 16 || first < 0 || first > 128 || precision < 1 || precision > 128) return false;
  if ((size_t)first + precision > 8 * size) return false;
  if (class == H5T_FLOAT) return sane_real(type, (size_t)first, (size_t)first + precision);
  return size <= 8 && H5Tget_sign(type) != H5T_SGN_ERROR;
}

dg_status dg_h5check_link(H5L_type_t type, const char *path, const char *name) {
  if (type == H5L_TYPE_HARD) return DG_OK;
  const char *kind = type == H5L_TYPE_SOFT ? "soft" : type == H5L_TYPE_EXTERNAL ? "external" : "user-defined";
  return dg_fail(DG_INPUT, "%s: %s is %s %s link; links are not followed, all must lie in the file itself", path, name,
                 type == H5L_TYPE_EXTERNAL ? "an" : "a", kind);
}

static dg_status check_filters(hid_t layout, const char *path, const char *name) {
  const int n = H5Pget_nfilters(layout);
  for (int k = 0; k < n; k++) {
    size_t values = 0;
    unsigned flags;
    const H5Z_filter_t filter = H5Pget_filter2(layout, (unsigned)k, &flags, &values, NULL, 0, NULL, NULL);
    if (known_filter(filter)) continue;
    return dg_fail(DG_INPUT, "%s: data set %s is stored by HDF5 filter %d, which is not read; gzip and shuffle are",
                   path, name, (int)filter);
  }
  return DG_OK;
}

dg_status dg_h5check_layout(hid_t set, const char *path, const char *name) {
  dg_status status = DG_OK;
  const hid_t layout = H5Dget_create_plist(set);
  const H5D_layout_t kind = layout < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(layout);
  if (kind == H5D_LAYOUT_ERROR)
    status = dg_fail(DG_INPUT, "%s: data set %s is truncated or damaged", path, name);
  else if (kind == H5D_VIRTUAL)
    status =
        dg_fail(DG_INPUT, "%s: data set %s is virtual, made of others; all must lie in the file itself", path, name);
  else if (H5Pget_external_count(layout) != 0)
    status =
        dg_fail(DG_INPUT, "%s: data set %s is stored in another file; all must lie in the file itself", path, name);
  if (layout >= 0) H5Pclose(layout);
  return status;
}

/* Bytes that a data set asks for; UINT64_MAX where they cannot be counted. */
static uint64_t claimed_bytes(hid_t set) {
  uint64_t bytes = UINT64_MAX;
  const hid_t space = H5Dget_space(set), type = H5Dget_type(set);
  hsize_t dims[H5S_MAX_RANK];
  const int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dims, NULL);
  if (rank >= 0 && type >= 0) {
    bytes = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : H5Tget_size(type);
    for (int i = 0; i < rank && dims[i] > 0; i++)
      if (__builtin_mul_overflow(bytes, dims[i], &bytes)) bytes = UINT64_MAX;
    for (int i = 0; i < rank; i++)
      if (dims[i] == 0) bytes = 0;
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return bytes;
}

/* Bytes of one chunk; 0 where there are none. */
static uint64_t chunk_bytes(hid_t layout, hid_t set) {
  hsize_t dims[H5S_MAX_RANK];
  const hid_t type = H5Dget_type(set);
  uint64_t bytes = type < 0 ? 0 : H5Tget_size(type);
  const int rank = H5Pget_layout(layout) == H5D_CHUNKED ? H5Pget_chunk(layout, H5S_MAX_RANK, dims) : 0;
  for (int i = 0; i < rank; i++)
    if (__builtin_mul_overflow(bytes, dims[i], &bytes)) bytes = UINT64_MAX;
  if (type >= 0) H5Tclose(type);
  return rank > 0 ? bytes : 0;
}

/* Bytes that may be asked for where `stored` bytes are there; of parts that are compressed or absent, not all are. */
static uint64_t allowed_bytes(hid_t layout, uint64_t stored) {
  if (H5Pget_layout(layout) != H5D_CHUNKED) return stored;
  return stored > (UINT64_MAX - ALWAYS_FINE) / MOST_DEFLATED ? UINT64_MAX : stored * MOST_DEFLATED + ALWAYS_FINE;
}

static bool fits(hid_t set, hid_t layout, uint64_t file_size) {
  const uint64_t claimed = claimed_bytes(set);
  if (claimed == 0) return true;
  uint64_t stored = H5Dget_storage_size(set);
  if (stored > file_size) stored = file_size;
  const uint64_t allowed = allowed_bytes(layout, stored);
  if (claimed > allowed || chunk_bytes(layout, set) > allowed) return false;
  const haddr_t where = H5Pget_layout(layout) == H5D_CONTIGUOUS ? H5Dget_offset(set) : 0;
  return where != HADDR_UNDEF && where <= file_size - stored;
}

dg_status dg_h5check_storage(hid_t set, hid_t file, const char *path, const char *name) {
  dg_status status = DG_OK;
  hsize_t file_size = 0;
  const hid_t layout = H5Dget_create_plist(set);
  if (layout < 0) return dg_fail(DG_INPUT, "%s: data set %s is truncated or damaged", path, name);
  DG_TRY(check_filters(layout, path, name));
  if (H5Fget_filesize(file, &file_size) < 0 || !fits(set, layout, file_size))
    status = dg_fail(DG_INPUT, "%s: data set %s says it is larger than what the file stores of it", path, name);
cleanup:
  H5Pclose(layout);
  return status;
}
