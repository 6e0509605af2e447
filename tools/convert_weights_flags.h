// The flags of convert_weights, apart from the program so that its launcher knows them too.

#ifndef RCNN_TOOLS_CONVERT_WEIGHTS_FLAGS_H_
#define RCNN_TOOLS_CONVERT_WEIGHTS_FLAGS_H_

#include <gflags/gflags_declare.h>

DECLARE_string(input);
DECLARE_string(output);
DECLARE_string(map);
DECLARE_bool(reverse);
DECLARE_string(channel_order);
DECLARE_bool(list);
DECLARE_bool(list_maps);
DECLARE_bool(every_tensor);

#endif  // RCNN_TOOLS_CONVERT_WEIGHTS_FLAGS_H_
