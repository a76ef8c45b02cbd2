#include "data/h5text.h"

#include <stdlib.h>
#include <string.h>

bool dg_h5text_varies(hid_t type) {
  return H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0;
}

static hid_t text_in_memory(hid_t type, size_t bytes) {
  const hid_t memory = H5Tcopy(H5T_C_S1);
  H5Tset_size(memory, bytes);
  H5Tset_cset(memory, H5Tget_cset(type));
  return memory;
}

static char *read_fixed(hid_t attribute, hid_t type) {
  const size_t bytes = H5Tget_size(type) + 1;
  if (bytes > DG_H5_LONGEST_TEXT) return NULL;
  char *text = calloc(bytes, 1);
  const hid_t memory = text_in_memory(type, bytes);
  if (text != NULL && H5Aread(attribute, memory, text) < 0) {
    free(text);
    text = NULL;
  }
  H5Tclose(memory);
  return text;
}

static char *read_variable(hid_t attribute, hid_t type) {
  char *stored = NULL, *text = NULL;
  const hid_t memory = text_in_memory(type, H5T_VARIABLE);
  if (H5Aread(attribute, memory, &stored) >= 0 && (stored == NULL || strlen(stored) < DG_H5_LONGEST_TEXT))
    text = strdup(stored == NULL ? "" : stored);
  if (stored != NULL) H5free_memory(stored);
  H5Tclose(memory);
  return text;
}

char *dg_h5text_read(hid_t attribute, hid_t type) {
  if (H5Tget_class(type) != H5T_STRING) return NULL;
  return dg_h5text_varies(type) ? read_variable(attribute, type) : read_fixed(attribute, type);
}
