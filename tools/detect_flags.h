// The flags of detect, apart from the program so that its launcher knows them too.

#ifndef RCNN_TOOLS_DETECT_FLAGS_H_
#define RCNN_TOOLS_DETECT_FLAGS_H_

#include <gflags/gflags_declare.h>

DECLARE_string(model);
DECLARE_string(input);
DECLARE_string(output);
DECLARE_bool(overwrite);
DECLARE_double(score_threshold);
DECLARE_int32(max_per_image);
DECLARE_int32(batch);
DECLARE_string(device);
DECLARE_string(precision);
DECLARE_int32(inference_graphs);
DECLARE_bool(packed_cache);
DECLARE_string(ids_of);
DECLARE_bool(draw);
DECLARE_bool(exif_orientation);
DECLARE_bool(quiet);

#endif  // RCNN_TOOLS_DETECT_FLAGS_H_
