#include <distgat/memory.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/fault.h"

/* From this size on a block starts on a huge page and asks for them: fewer faults and TLB misses. */
#define LARGE_BLOCK ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

static int64_t calls_to_failure, requested;

int64_t dg_memory_requested(void) {
  return requested;
}

void dg_memory_fail_at(int64_t n) {
  calls_to_failure = n;
}

static void *allocate(size_t bytes) {
  if (calls_to_failure > 0 && --calls_to_failure == 0) return NULL;
  if (dg_fault("memory", DG_MEMORY) != DG_OK) return NULL;
  void *block = NULL;
  if (posix_memalign(&block, bytes >= LARGE_BLOCK ? HUGE_PAGE : DG_ALIGN, bytes) != 0) return NULL;
  if (bytes >= LARGE_BLOCK) madvise(block, bytes, MADV_HUGEPAGE);
  requested += (int64_t)bytes;
  return memset(block, 0, bytes);
}

dg_status dg_alloc(void *out, size_t count, size_t size) {
  size_t bytes;
  void *block = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) block = allocate(bytes > 0 ? bytes : 1);
  memcpy(out, &block, sizeof block);
  if (block != NULL) return DG_OK;
  return dg_fail(DG_MEMORY, "out of memory: cannot allocate %zu elements of %zu bytes; more ranks need less each",
                 count, size);
}

void dg_free(void *pointer_to_block) {
  void *block;
  memcpy(&block, pointer_to_block, sizeof block);
  free(block);
  block = NULL;
  memcpy(pointer_to_block, &block, sizeof block);
}

int64_t dg_memory_peak(void) {
  int64_t kib = -1;
  char line[256];
  FILE *file = fopen("/proc/self/status", "r");
  while (file != NULL && kib < 0 && fgets(line, sizeof line, file) != NULL) sscanf(line, "VmHWM: %" SCNd64, &kib);
  if (file != NULL) fclose(file);
  struct rusage usage;
  if (kib < 0 && getrusage(RUSAGE_SELF, &usage) == 0) kib = usage.ru_maxrss;
  return kib < 0 ? 0 : kib * 1024;
}
