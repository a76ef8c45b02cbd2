#include "cli/speaker.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What two processes have in common where the ids of one are those of the other. */
typedef struct speaker {
  pid_t pid;
  char boot[64], ids[64];
} speaker;

static speaker describe(void) {
  speaker self = {.pid = getpid()};
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
  if (f != NULL && fgets(self.boot, sizeof self.boot, f) == NULL) self.boot[0] = '\0';
  if (f != NULL) fclose(f);
  if (readlink("/proc/self/ns/pid", self.ids, sizeof self.ids - 1) < 0) self.ids[0] = '\0';
  return self;
}

pid_t dg_speaker_find(const dg_comm *comm) {
  const speaker self = describe();
  speaker first = self;
  dg_comm_bcast(comm, &first, sizeof first, 0);
  const bool known = self.boot[0] != '\0' && self.ids[0] != '\0';
  const bool near = strcmp(self.boot, first.boot) == 0 && strcmp(self.ids, first.ids) == 0;
  return comm->rank > 0 && known && near ? first.pid : 0;
}
