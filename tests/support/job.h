#ifndef DISTGAT_TESTS_JOB_H
#define DISTGAT_TESTS_JOB_H

#include <distgat/trainer.h>

#include "support/random_graph.h"

/* A model at work on a random graph, as training sets it up. */
typedef struct test_job {
  dg_config config;
  dg_trainer trainer;
  dg_local *local; /* of the trainer */
  dg_params *params;
} test_job;

/* Random weights, the same whatever the ranks; `prune` as in the options of training, `exchange_first` as in
   dg_field_config. Collective over comm. */
dg_status job_create(test_job *job, const random_graph *graph, const dg_comm *comm, const dg_model_config *config,
                     bool prune, bool exchange_first, uint64_t owner_seed);
void job_destroy(test_job *job);

/* Sets a weight of the model, which ranks of a node share. Collective. */
void job_set_weight(test_job *job, dg_real *weight, dg_real value);

/* Forward pass of one training step, and this rank's share of its loss. Collective. */
double job_forward(test_job *job, const dg_step *step);

/* The program's training step at a learning rate of zero: gives the loss; gradients of the parameters are summed over
 * ranks. Collective. */
double job_step(test_job *job, const dg_step *step);

/* Gradient of the input of all nodes after job_step, dx [n_nodes, n_features]. Collective. Errors: DG_MEMORY. */
dg_status job_input_gradient(test_job *job, double *dx);

#endif
