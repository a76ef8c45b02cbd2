/* Trains GATv2 on a graph file with nothing but the library, on any number of ranks: mpirun -np 2 train cora.h5
   The same text is C and C++. */
#include <stdio.h>

#include <distgat/distgat.h>

/* Rank 0 hears of every epoch ... */
static dg_status print_epoch(void *context, const dg_run_name *run, int64_t epoch, const dg_history *h) {
  (void)context, (void)run;
  if (epoch % 20 == 0)
    printf("epoch %lld: loss %.5f, validation accuracy %.1f %%\n", (long long)epoch, h->train_loss, 100 * h->val_acc);
  return DG_OK;
}

/* ... and of the result, with the weights by their names in PyTorch Geometric. */
static dg_status print_result(void *context, const dg_result *result, const dg_model *model) {
  const dg_params *params = &model->params;
  const dg_tensor *tensor = dg_params_find(params, "conv2.bias");
  float *bias = NULL;
  dg_status status = dg_alloc(&bias, (size_t)dg_tensor_size(tensor), sizeof *bias);
  (void)context;
  if (status == DG_OK) status = dg_params_get(bias, params, params->value, tensor->name);
  if (status == DG_OK) {
    printf("%s on %s: test accuracy %.1f %%, conv2.bias", result->model, result->dataset, 100 * result->test.acc);
    for (int64_t i = 0; i < dg_tensor_size(tensor); i++) printf(" %.3f", bias[i]);
    printf("\n");
  }
  dg_free(&bias);
  return status;
}

static dg_status train(const dg_comm *comm, const char *graph) {
  dg_result result;
  dg_config config = dg_config_default(DG_MODEL_GATV2);
  const dg_observer observer = {NULL, NULL, print_epoch, print_result, NULL, NULL, NULL};
  config.epochs = 100;
  config.model.input_dropout = 0;
  return dg_train(&result, comm, &config, graph, &observer);
}

int main(int argc, char **argv) {
  dg_comm comm = {MPI_COMM_NULL, 0, 0, "", 0};
  dg_status status = DG_OK;
  int provided;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  status = dg_comm_create(&comm, MPI_COMM_WORLD);
  if (status == DG_OK && argc != 2) status = dg_fail(DG_USAGE, "usage: train GRAPH.h5");
  if (status == DG_OK) status = train(&comm, argv[1]);
  if (status != DG_OK && comm.rank == 0) fprintf(stderr, "%s\n", dg_status_message());
  dg_comm_destroy(&comm);
  MPI_Finalize();
  return dg_status_exit_code(status);
}
