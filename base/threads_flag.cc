#include "rcnn/base/threads_flag.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>

DEFINE_int32(threads, 0,
             "Threads that one tensor operation may use; 0: as many as the cores that the process "
             "may run on.");

namespace rcnn {

void CheckThreadsFlag() {
  if (FLAGS_threads >= 0 && FLAGS_threads <= 4096) return;
  std::fprintf(stderr, "error: --threads=%d is not a number of threads (0 to 4096)\n",
               FLAGS_threads);
  std::exit(2);
}

}  // namespace rcnn
