// The flag --threads of every program with tensors.

#ifndef RCNN_BASE_THREADS_FLAG_H_
#define RCNN_BASE_THREADS_FLAG_H_

#include <gflags/gflags_declare.h>

DECLARE_int32(threads);

namespace rcnn {

// Prints an error and exits 2, as InitProgram does for a wrong flag, unless --threads is
// from 0 to 4096.
void CheckThreadsFlag();

}  // namespace rcnn

#endif  // RCNN_BASE_THREADS_FLAG_H_
