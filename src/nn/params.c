#include <distgat/params.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <distgat/memory.h>
#include <distgat/rng.h>

dg_status dg_params_add(dg_params *params, const dg_tensor *tensor) {
  dg_tensor *table;
  dg_status status = dg_alloc(&table, (size_t)params->n_tensors + 1, sizeof *table);
  if (status != DG_OK) return status;
  if (params->n_tensors > 0) memcpy(table, params->tensor, (size_t)params->n_tensors * sizeof *table);
  dg_free(&params->tensor);
  params->tensor = table;
  dg_tensor *t = &table[params->n_tensors++];
  *t = *tensor;
  t->offset = params->count;
  t->count = (int64_t)(t->in.dim > 0 ? t->in.ld : 1) * t->out.ld;
  params->count += t->count;
  DG_CHECK(t->is_statistic || t->offset == params->n_trained);
  if (!t->is_statistic) params->n_trained = params->count;
  return DG_OK;
}

dg_status dg_params_allocate(dg_params *params) {
  dg_status status = DG_OK;
  DG_TRY(dg_alloc_whole(&params->store, (size_t)params->count, sizeof *params->store));
  params->value = params->store;

cleanup:
  return status;
}

dg_status dg_params_train(dg_params *params, dg_sums *sums) {
  dg_status status = DG_OK;
  DG_CHECK(sums->count == params->count);
  dg_free(&params->store);
  params->sums = sums, params->value = sums->value, params->grad = sums->grad;
  DG_TRY(dg_alloc_whole(&params->m, (size_t)sums->n, sizeof *params->m));
  DG_TRY(dg_alloc_whole(&params->v, (size_t)sums->n, sizeof *params->v));

cleanup:
  return status;
}

void dg_params_destroy(dg_params *params) {
  dg_free(&params->tensor);
  dg_free(&params->store);
  dg_free(&params->m);
  dg_free(&params->v);
  *params = (dg_params){0};
}

static int64_t channel_position(const dg_channels *c, int64_t channel) {
  return channel % c->dim * c->hp + channel / c->dim;
}

int64_t dg_tensor_position(const dg_tensor *t, int64_t index) {
  if (t->in.dim == 0) return t->offset + channel_position(&t->out, index);
  const int64_t n_in = (int64_t)t->in.heads * t->in.dim;
  return t->offset + channel_position(&t->in, index % n_in) * t->out.ld + channel_position(&t->out, index / n_in);
}

int64_t dg_tensor_size(const dg_tensor *t) {
  int64_t size = 1;
  for (int d = 0; d < t->rank; d++) size *= t->shape[d];
  return size;
}

/* The elements that this rank may change. */
typedef struct share {
  int64_t first, n;
} share;

static share own_share(const dg_params *params) {
  return params->sums ? (share){params->sums->first, params->sums->n} : (share){0, params->count};
}

static void meet(const dg_params *params) {
  if (params->sums) dg_sums_meet(params->sums);
}

void dg_params_put(dg_params *params, const dg_real *value) {
  const share own = own_share(params);
  meet(params);
  memcpy(params->value + own.first, value + own.first, (size_t)own.n * sizeof *value);
  meet(params);
}

static void draw_values(dg_params *params, uint64_t seed, share own) {
  memset(params->value + own.first, 0, (size_t)own.n * sizeof *params->value);
  for (int n = 0; n < params->n_tensors; n++) {
    const dg_tensor *t = &params->tensor[n];
    const uint64_t key = dg_rng_key(dg_rng_key(seed, 0x77656967), (uint64_t)n);
    if (t->init == DG_INIT_ZERO) continue;
    for (int64_t i = dg_tensor_size(t) - 1; i >= 0; i--) {
      const int64_t position = dg_tensor_position(t, i);
      if (position < own.first || position >= own.first + own.n) continue;
      const double drawn = (2 * dg_rng_uniform(key, (uint64_t)i) - 1) * t->bound;
      params->value[position] = (dg_real)(t->init == DG_INIT_ONE ? 1 : drawn);
    }
  }
}

void dg_params_reset(dg_params *params, uint64_t seed) {
  const share own = own_share(params);
  meet(params);
  draw_values(params, seed, own);
  if (params->sums) {
    memset(params->grad, 0, (size_t)params->count * sizeof *params->grad);
    memset(params->m, 0, (size_t)own.n * sizeof *params->m);
    memset(params->v, 0, (size_t)own.n * sizeof *params->v);
  }
  meet(params);
}

static void copy_out(float *data, const dg_tensor *t, const dg_real *block) {
  for (int64_t i = dg_tensor_size(t) - 1; i >= 0; i--) data[i] = (float)block[dg_tensor_position(t, i)];
}

dg_status dg_params_write(const dg_params *params, const dg_real *block, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  float *data = NULL;
  for (int n = 0; n < params->n_tensors; n++) {
    const dg_tensor *t = &params->tensor[n];
    char name[128];
    if (t->is_statistic && block == params->grad) continue;
    DG_TRY(dg_alloc(&data, (size_t)dg_tensor_size(t), sizeof *data));
    copy_out(data, t, block);
    snprintf(name, sizeof name, "%s/%s", group, t->name);
    DG_TRY(dg_h5_write(file, name, DG_H5_F32, t->rank, t->shape, data));
    dg_free(&data);
  }

cleanup:
  dg_free(&data);
  return status;
}

static void print_shape(char *out, size_t size, int rank, const int64_t *shape) {
  size_t at = 0;
  for (int d = 0; d < rank && at < size; d++)
    at += (size_t)snprintf(out + at, size - at, "%s%lld", d ? ", " : "", (long long)shape[d]);
}

/* `where` names the file, "" where there is none. */
static dg_status check_shape(const dg_tensor *t, int rank, const int64_t *shape, const char *where, const char *name) {
  if (rank == t->rank && memcmp(shape, t->shape, (size_t)rank * sizeof *shape) == 0) return DG_OK;
  char is[80] = "", wanted[80] = "";
  print_shape(is, sizeof is, rank, shape);
  print_shape(wanted, sizeof wanted, t->rank, t->shape);
  return dg_fail(DG_INPUT, "%s%s%s has shape [%s], the model needs [%s]", where, *where ? ": " : "", name, is, wanted);
}

static dg_status check_stored_shape(const dg_tensor *t, dg_h5 *file, const char *name) {
  int rank = 0;
  int64_t shape[DG_H5_MAX_RANK] = {0};
  dg_status status = dg_h5_shape(file, name, &rank, shape);
  return status == DG_OK ? check_shape(t, rank, shape, dg_h5_path(file), name) : status;
}

/* As the model has them: a file may hold doubles that are finite and too large. */
static dg_status check_finite(const double *data, int64_t n, dg_h5 *file, const char *name) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite((dg_real)data[i]))
      return dg_fail(DG_INPUT, "%s: %s holds a number that is not finite", dg_h5_path(file), name);
  return DG_OK;
}

static dg_status read_tensor(const dg_tensor *t, dg_real *block, dg_h5 *file, const char *group, bool finite) {
  dg_status status = DG_OK;
  double *data = NULL;
  const int64_t n = dg_tensor_size(t);
  char name[128];
  snprintf(name, sizeof name, "%s/%s", group, t->name);
  DG_TRY(check_stored_shape(t, file, name));
  DG_TRY(dg_alloc(&data, (size_t)n, sizeof *data));
  DG_TRY(dg_h5_read(file, name, DG_H5_F64, 0, t->shape[0], data));
  if (finite) DG_TRY(check_finite(data, n, file, name));
  for (int64_t i = 0; i < n; i++) block[dg_tensor_position(t, i)] = (dg_real)data[i];

cleanup:
  dg_free(&data);
  return status;
}

dg_status dg_params_read(const dg_params *params, dg_real *block, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  for (int n = 0; n < params->n_tensors && status == DG_OK; n++)
    status = read_tensor(&params->tensor[n], block, file, group, true);
  return status;
}

dg_status dg_params_restore(const dg_params *params, dg_real *block, dg_h5 *file, const char *group) {
  dg_status status = DG_OK;
  for (int n = 0; n < params->n_tensors && status == DG_OK; n++)
    status = read_tensor(&params->tensor[n], block, file, group, false);
  return status;
}

const dg_tensor *dg_params_find(const dg_params *params, const char *name) {
  for (int n = 0; n < params->n_tensors; n++)
    if (strcmp(params->tensor[n].name, name) == 0) return &params->tensor[n];
  return NULL;
}

static dg_status find(const dg_tensor **tensor, const dg_params *params, const char *name) {
  *tensor = dg_params_find(params, name);
  return *tensor ? DG_OK : dg_fail(DG_INPUT, "the model has no tensor %s", name);
}

dg_status dg_params_get(float *data, const dg_params *params, const dg_real *block, const char *name) {
  const dg_tensor *t;
  const dg_status status = find(&t, params, name);
  if (status == DG_OK) copy_out(data, t, block);
  return status;
}

dg_status dg_params_set(const dg_params *params, dg_real *block, const char *name, int rank, const int64_t *shape,
                        const float *data) {
  dg_status status = DG_OK;
  const dg_tensor *t;
  DG_TRY(find(&t, params, name));
  DG_TRY(check_shape(t, rank, shape, "", name));
  for (int64_t i = dg_tensor_size(t) - 1; i >= 0; i--) block[dg_tensor_position(t, i)] = data[i];

cleanup:
  return status;
}
