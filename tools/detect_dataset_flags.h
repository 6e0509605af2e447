// The flags of detect_dataset, apart from the program so that its launcher knows them too.

#ifndef RCNN_TOOLS_DETECT_DATASET_FLAGS_H_
#define RCNN_TOOLS_DETECT_DATASET_FLAGS_H_

#include <gflags/gflags_declare.h>

DECLARE_string(model);
DECLARE_string(dataset);
DECLARE_string(images);
DECLARE_string(out);

#endif  // RCNN_TOOLS_DETECT_DATASET_FLAGS_H_
