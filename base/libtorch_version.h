// The differences between the LibTorch versions that rcnn supports: 1.13 (Debian 12) and
// 2.11 (pip). No other file looks at LibTorch's version.
//
//   RCNN_LIBTORCH_2                    1 for LibTorch 2, 0 for LibTorch 1
//   RCNN_LIBTORCH_ALLOCATE_CONST       `const` where c10::Allocator::allocate is const
//   RCNN_LIBTORCH_TOTAL_BYTES          the type of the totals that
//                                      c10::MemoryReportingInfoBase::reportMemoryUsage takes

#ifndef RCNN_BASE_LIBTORCH_VERSION_H_
#define RCNN_BASE_LIBTORCH_VERSION_H_

// Only LibTorch 2 has a header for the version alone.
#if __has_include(<torch/headeronly/version.h>)
#include <torch/headeronly/version.h>
#else
#include <torch/csrc/api/include/torch/version.h>
#endif

#if TORCH_VERSION_MAJOR >= 2
#define RCNN_LIBTORCH_2 1
#define RCNN_LIBTORCH_ALLOCATE_CONST
#define RCNN_LIBTORCH_TOTAL_BYTES size_t
#else
#define RCNN_LIBTORCH_2 0
#define RCNN_LIBTORCH_ALLOCATE_CONST const
#define RCNN_LIBTORCH_TOTAL_BYTES int64_t
#endif

#endif  // RCNN_BASE_LIBTORCH_VERSION_H_
