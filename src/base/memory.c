#include <distgat/memory.h>

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/fault.h"

/* From this size on a block starts on a huge page and asks for them: fewer faults and TLB misses. */
#define LARGE_BLOCK ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

/* Smaller blocks come from what malloc holds already. */
#define SMALL_BLOCK ((size_t)64 << 10)

static int64_t calls_to_failure, requested, blocks;
static bool works_alone;
static int touching_threads = 1;

int64_t dg_memory_requested(void) {
  return requested;
}

int64_t dg_memory_blocks(void) {
  return blocks;
}

void dg_memory_count(size_t bytes) {
  requested += (int64_t)bytes;
}

void dg_memory_fail_at(int64_t n) {
  calls_to_failure = n;
}

void dg_memory_touch(int threads) {
  touching_threads = threads;
}

void dg_memory_alone(bool alone) {
  works_alone = alone;
}

size_t dg_memory_limit(void) {
  struct rlimit space, data;
  if (getrlimit(RLIMIT_AS, &space) != 0 || getrlimit(RLIMIT_DATA, &data) != 0) return 0;
  const rlim_t least = space.rlim_cur < data.rlim_cur ? space.rlim_cur : data.rlim_cur;
  return least == RLIM_INFINITY ? 0 : (size_t)least;
}

bool dg_memory_fits(size_t bytes) {
  if (dg_memory_limit() == 0) return true;
  void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block != MAP_FAILED && munmap(block, bytes) == 0;
}

/* ---- what is free ---- */

/* A number that stands alone in a file, SIZE_MAX where there is none. */
static size_t read_number(const char *folder, const char *name) {
  char path[512];
  size_t value = SIZE_MAX;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  if (file == NULL) return SIZE_MAX;
  if (fscanf(file, "%zu", &value) != 1) value = SIZE_MAX;
  fclose(file);
  return value;
}

/* Of the host. */
static size_t host_free(void) {
  char line[128];
  size_t kilobytes = SIZE_MAX;
  FILE *file = fopen("/proc/meminfo", "r");
  if (file == NULL) return SIZE_MAX;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "MemAvailable: %zu kB", &kilobytes) == 1) break;
  fclose(file);
  return kilobytes == SIZE_MAX ? SIZE_MAX : 1024 * kilobytes;
}

/* Of the control groups (version 2) that the process is in, as batch systems make them: each bounds those within. */
static size_t group_free(void) {
  char line[384] = "", folder[448];
  size_t least = SIZE_MAX;
  FILE *file = fopen("/proc/self/cgroup", "r");
  if (file == NULL) return SIZE_MAX;
  while (fgets(line, sizeof line, file) && strncmp(line, "0::", 3) != 0) line[0] = '\0';
  fclose(file);
  if (strncmp(line, "0::/", 4) != 0) return SIZE_MAX;
  line[strcspn(line, "\n")] = '\0';
  snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", line + 3);
  for (char *end; (end = strrchr(folder, '/')) != NULL && strcmp(folder, "/sys/fs") != 0; *end = '\0') {
    const size_t most = read_number(folder, "memory.max"), used = read_number(folder, "memory.current");
    if (most == SIZE_MAX || used == SIZE_MAX) continue;
    const size_t room = most > used ? most - used : 0;
    if (room < least) least = room;
  }
  return least;
}

/* Of a limit, found by trying. */
static size_t limit_free(void) {
  size_t low = 0, high = dg_memory_limit();
  if (high == 0) return SIZE_MAX;
  while (high - low > ((size_t)1 << 20)) {
    const size_t middle = low + (high - low) / 2;
    *(dg_memory_fits(middle) ? &low : &high) = middle;
  }
  return low;
}

size_t dg_memory_free(void) {
  const size_t host = host_free(), group = group_free(), limit = limit_free();
  const size_t least = host < group ? host : group;
  return least < limit ? least : limit;
}

/* " under the limit of 500 MB on this process (ulimit -v)", or nothing. */
static const char *limit_text(void) {
  static char text[96];
  const size_t limit = dg_memory_limit();
  text[0] = '\0';
  if (limit > 0) snprintf(text, sizeof text, " under the limit of %zu MB on this process (ulimit -v)", limit / 1000000);
  return text;
}

dg_status dg_memory_check(void) {
  return dg_memory_fits(DG_MEMORY_RESERVE) ? DG_OK : dg_fail(DG_MEMORY, "out of memory%s", limit_text());
}

/* Huge pages go round the threads, as the rows of a layer do: at any moment all of them work on neighbouring pages, and
   these lie in the memory of all their NUMA domains. */
static void zero(char *block, size_t bytes) {
  const int64_t pages = (int64_t)((bytes + HUGE_PAGE - 1) / HUGE_PAGE);
#pragma omp parallel for schedule(static, 1) num_threads(touching_threads) if (bytes >= LARGE_BLOCK)
  for (int64_t p = 0; p < pages; p++) {
    const size_t at = (size_t)p * HUGE_PAGE;
    memset(block + at, 0, bytes - at < HUGE_PAGE ? bytes - at : HUGE_PAGE);
  }
}

static void *allocate(size_t bytes) {
  if (calls_to_failure > 0 && --calls_to_failure == 0) return NULL;
  if (dg_fault("memory", DG_MEMORY) != DG_OK) return NULL;
  void *block = NULL;
  if (bytes >= SMALL_BLOCK && !dg_memory_fits(bytes + DG_MEMORY_RESERVE)) return NULL;
  if (posix_memalign(&block, bytes >= LARGE_BLOCK ? HUGE_PAGE : DG_ALIGN, bytes) != 0) return NULL;
  if (bytes >= LARGE_BLOCK) madvise(block, bytes, MADV_HUGEPAGE);
  requested += (int64_t)bytes;
  blocks++;
  zero(block, bytes);
  return block;
}

static dg_status alloc(void *out, size_t count, size_t size, const char *advice) {
  size_t bytes;
  void *block = NULL;
  if (!__builtin_mul_overflow(count, size, &bytes)) block = allocate(bytes > 0 ? bytes : 1);
  memcpy(out, &block, sizeof block);
  if (block != NULL) return DG_OK;
  return dg_fail(DG_MEMORY, "out of memory: cannot allocate %zu elements of %zu bytes%s%s", count, size, limit_text(),
                 advice);
}

dg_status dg_alloc(void *out, size_t count, size_t size) {
  return alloc(out, count, size, works_alone ? "" : "; more ranks need less each");
}

dg_status dg_alloc_whole(void *out, size_t count, size_t size) {
  return alloc(out, count, size, works_alone ? "" : ", which every rank holds whole");
}

void dg_free(void *pointer_to_block) {
  void *block;
  memcpy(&block, pointer_to_block, sizeof block);
  blocks -= block != NULL;
  free(block);
  block = NULL;
  memcpy(pointer_to_block, &block, sizeof block);
}

void dg_memory_trim(void) {
  malloc_trim(0);
}

bool dg_memory_forget_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  return file != NULL && fputs("5", file) >= 0 && fclose(file) == 0;
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
