#ifndef DISTGAT_PARAMS_H
#define DISTGAT_PARAMS_H

#include <stdint.h>

#include <distgat/api.h>
#include <distgat/h5io.h>
#include <distgat/real.h>
#include <distgat/sums.h>

DG_API_BEGIN

/* How the channels of one side of a tensor lie in memory: channel d of head h, number h * dim + d in a file, lies at
   d * hp + h (see src/nn/kernels.h). Plain channels have one head and hp 1. */
typedef struct dg_channels {
  int heads, dim, hp;
  int ld; /* elements a row, padded */
} dg_channels;

/* How a tensor starts: Glorot as in PyTorch Geometric, uniform in +-1/sqrt(fan_in), zero, or one. */
typedef enum dg_init { DG_INIT_ZERO, DG_INIT_GLOROT, DG_INIT_UNIFORM, DG_INIT_ONE } dg_init;

/* One tensor of the model. In memory it is [in, ld] (matrix) or [ld] (vector, in.dim 0); in files it has PyTorch
   Geometric's name and shape. */
typedef struct dg_tensor {
  char name[64]; /* "conv1.lin_l.weight" */
  int rank;      /* of the shape in files */
  int64_t shape[3];
  dg_channels in, out;
  dg_init init;
  double bound;          /* of the uniform start */
  bool is_statistic;     /* measured, not trained */
  int64_t offset, count; /* elements in the block */
} dg_tensor;

/* All parameters, then statistics that belong to them: one table over one block each of values and, where the model is
   trained, gradients and the two moments of Adam. In training, values and gradients are those of `sums`: values are
   read by all ranks of a node and each changes its share alone. */
typedef struct dg_params {
  int n_tensors;
  dg_tensor *tensor;
  int64_t count;
  int64_t n_trained; /* the first of them have a gradient */
  dg_real *value;    /* [count] */
  dg_real *grad;     /* [count] this rank's part, NULL where the model is not trained */
  double squares;    /* sum of the squares of all ranks' gradients, where the backward pass knows these; else 0 */
  dg_real *m, *v;    /* [sums->n] moments of this rank's share */
  dg_sums *sums;     /* borrowed, NULL where the model is not trained */
  dg_real *store;    /* owns the values where the model is not trained */
} dg_params;

/* Adds a tensor to the table (not yet to the block), statistics after all others; its offset and count are filled in.
   Errors: DG_MEMORY. Local. */
dg_status dg_params_add(dg_params *params, const dg_tensor *tensor);

/* Allocates values, zero, for the table. Errors: DG_MEMORY. Local. */
dg_status dg_params_allocate(dg_params *params);

/* Prepares training: values, all zero again, and gradients are those of `sums`, of as many parameters, from now on.
   Errors: DG_MEMORY. Local. */
dg_status dg_params_train(dg_params *params, dg_sums *sums);
void dg_params_destroy(dg_params *params);

/* Position in the block of element `index` (row-major, as in files) of a tensor. Local. */
int64_t dg_tensor_position(const dg_tensor *tensor, int64_t index);

/* Number of elements of a tensor in files. Local. */
int64_t dg_tensor_size(const dg_tensor *tensor);

/* The tensor of a name, such as "conv1.lin_l.weight"; NULL where there is none. Local. */
const dg_tensor *dg_params_find(const dg_params *params, const char *name);

/* Copies a tensor between `block` (values, gradients ...) and data [shape], row-major as in files. dg_params_set checks
   that the tensor has this shape. Errors: DG_INPUT, where there is no such tensor too. Local. */
dg_status dg_params_get(float *data, const dg_params *params, const dg_real *block, const char *name);
dg_status dg_params_set(const dg_params *params, dg_real *block, const char *name, int rank, const int64_t *shape,
                        const float *data);

/* Sets all values to `value` [count], the same on all ranks. Collective where the model is trained. */
void dg_params_put(dg_params *params, const dg_real *value);

/* Sets all values to their start, functions of seed, tensor and element; clears gradients and moments. Collective where
   the model is trained. */
void dg_params_reset(dg_params *params, uint64_t seed);

/* Adam, with L2 decay added to the gradient (Kingma and Ba 2015, algorithm 1); AdamW, where decay shrinks the parameter
   itself (Loshchilov and Hutter 2019, algorithm 2); RMSprop (Hinton 2012, lecture 6e): as in torch.optim. */
typedef enum dg_optimizer_kind { DG_ADAM, DG_ADAMW, DG_RMSPROP } dg_optimizer_kind;

typedef struct dg_optimizer {
  dg_optimizer_kind kind;
  double lr, weight_decay;
  double scale; /* of the gradient */
} dg_optimizer;

/* What to scale the gradient in `sums` by, so that it is no longer than `most` (as torch.nn.utils.clip_grad_norm_); 1
   where most is 0. Between dg_sums_end and dg_sums_settle. Collective. */
double dg_gradient_scale(const dg_params *params, double most);

/* One step on this rank's share, the epoch-th from 1, by the gradient in `sums`. Between dg_sums_end and
   dg_sums_settle. Local. */
void dg_optimizer_step(dg_params *params, const dg_optimizer *optimizer, int64_t epoch);

/* Writes `block` (values, gradients ...) as group/NAME float32, gradients without the statistics, which have none;
   reads it back, checking names and shapes, and that all numbers are finite, unless they are to be restored as they
   were. Errors: DG_IO, DG_MEMORY; DG_INPUT where a tensor is missing or of another shape. Local. */
dg_status dg_params_write(const dg_params *params, const dg_real *block, dg_h5 *file, const char *group);
dg_status dg_params_read(const dg_params *params, dg_real *block, dg_h5 *file, const char *group);
dg_status dg_params_restore(const dg_params *params, dg_real *block, dg_h5 *file, const char *group);

DG_API_END

#endif
