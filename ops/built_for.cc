// In librcnn_ops.so: the LibTorch that it was built with, as text that rcnn_ops.py finds in the
// file without loading it. A library built with another LibTorch must not be loaded: it has other
// classes under the same names.

#include <torch/version.h>

extern "C" {
extern const char rcnn_ops_built_for[];
const char rcnn_ops_built_for[] = "rcnn_ops was built for torch " TORCH_VERSION;
}
