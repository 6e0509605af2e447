// The flags of time_detector, apart from the program so that its launcher knows them too.

#ifndef RCNN_TOOLS_TIME_DETECTOR_FLAGS_H_
#define RCNN_TOOLS_TIME_DETECTOR_FLAGS_H_

#include <gflags/gflags_declare.h>

DECLARE_string(config);
DECLARE_string(weights);
DECLARE_string(name_map);
DECLARE_string(image);
DECLARE_string(size);
DECLARE_int32(batch);
DECLARE_bool(train);
DECLARE_string(device);
DECLARE_string(precision);
DECLARE_int32(inference_graphs);
DECLARE_bool(layers);
DECLARE_int32(repeats);

#endif  // RCNN_TOOLS_TIME_DETECTOR_FLAGS_H_
