#ifndef DISTGAT_TRAIN_PREDICTOR_H
#define DISTGAT_TRAIN_PREDICTOR_H

#include <distgat/train.h>
#include <distgat/trainer.h>

#include "train/model_file.h"

/* Full-graph inference. Rows of the field are brought to ascending ids before they are written. */
typedef struct dg_predictor {
  const dg_comm *comm;
  const dg_predict_config *config;
  dg_config model_config;
  char model_split[DG_SPLIT_NAME]; /* that the model was trained on, "" where its file does not say; on rank 0 */
  dg_model_task task;
  dg_local local;
  dg_model model;
  dg_field *field;
  dg_pass pass;
  int32_t *row;   /* [n] field row of each local row */
  uint8_t *asked; /* [n] whether its attention is written; NULL: that of all */
  dg_h5 *out;     /* rank 0 */
} dg_predictor;

/* The rows of this rank as they are written. Local. */
dg_rows dg_predictor_rows(const dg_predictor *p);

/* Writes /attention/convK/src, dst and alpha of layer k, edges by ascending targets. Errors: DG_IO, DG_MEMORY.
   Collective. */
dg_status dg_predictor_write_attention(dg_predictor *p, int k);

/* Marks the rows of config->nodes, ids such as "3,17,100-120". Errors: DG_USAGE, DG_MEMORY. Local. */
dg_status dg_predictor_ask(dg_predictor *p);

/* Marks the rows of config->ids, which the output calls its nodes, such as "ann,bob". Errors: DG_USAGE, DG_INPUT,
   DG_MEMORY. Collective. */
dg_status dg_predictor_ask_ids(dg_predictor *p);

/* Writes a complete prediction as a table: a line a node with its id, the predicted class, its label and its list of
   `split`, each empty where there is none, and where there are probabilities that of each class; ids and classes by
   their names where these are known. With several labels a node, 0 or 1 for each class in the place of class and label.
   Errors: DG_INPUT, DG_IO, DG_MEMORY. Local. */
dg_status dg_prediction_write_csv(const char *csv_path, const char *prediction_path, const char *graph_path,
                                  const char *split);

#endif
