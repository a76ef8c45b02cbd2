#ifndef DISTGAT_DISTGAT_H
#define DISTGAT_DISTGAT_H

/* All of the library. A program initialises MPI (MPI_THREAD_FUNNELED) and makes a dg_comm; then see train.h, and
   trainer.h, graph.h, partition.h, field.h, model.h and halo.h for what training is made of. */
#include <distgat/api.h>
#include <distgat/comm.h>
#include <distgat/config.h>
#include <distgat/counts.h>
#include <distgat/directory.h>
#include <distgat/field.h>
#include <distgat/files.h>
#include <distgat/generate.h>
#include <distgat/graph.h>
#include <distgat/h5io.h>
#include <distgat/halo.h>
#include <distgat/ids.h>
#include <distgat/log.h>
#include <distgat/memory.h>
#include <distgat/model.h>
#include <distgat/options.h>
#include <distgat/params.h>
#include <distgat/partition.h>
#include <distgat/plan.h>
#include <distgat/real.h>
#include <distgat/rng.h>
#include <distgat/status.h>
#include <distgat/summary.h>
#include <distgat/sums.h>
#include <distgat/timer.h>
#include <distgat/train.h>
#include <distgat/trainer.h>

#endif
