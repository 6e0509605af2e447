// In librcnn_ops.so: the LibTorch that it was built with, and the CUDA of its kernels if it has
// some, as text that rcnn_ops.py finds in the file without loading it. A library built with another
// LibTorch must not be loaded: it has other classes under the same names. With kernels it needs
// LibTorch's and CUDA's libraries of that CUDA.

#include <torch/version.h>

// RCNN_CUDA_VERSION comes from the build.
#ifdef RCNN_CUDA_VERSION
#define RCNN_AND_CUDA " and CUDA " RCNN_CUDA_VERSION
#else
#define RCNN_AND_CUDA ""
#endif

extern "C" {
extern const char rcnn_ops_built_for[];
const char rcnn_ops_built_for[] = "rcnn_ops was built for torch " TORCH_VERSION RCNN_AND_CUDA;
}
