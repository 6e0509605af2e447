#include "rcnn/base/threads_flag.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>

DEFINE_int32(threads, 0,
             "Threads per tensor operation. 0: one for each core that the process "
             "may use.");

namespace rcnn {

void CheckThreadsFlag() {
  if (FLAGS_threads >= 0 && FLAGS_threads <= 4096) return;
  std::fprintf(stderr, "error: --threads=%d is not in [0, 4096]\n", FLAGS_threads);
  std::exit(2);
}

}  // namespace rcnn
