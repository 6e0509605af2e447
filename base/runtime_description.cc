#include "rcnn/base/runtime_description.h"

#include <sched.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rcnn {

std::vector<std::string> VersionLines(const RuntimeInfo& info) {
  return {absl::StrCat("libtorch: ", info.libtorch_version, info.cuda ? " with CUDA" : ""),
          absl::StrCat("onednn: ", info.onednn_version),
          absl::StrCat("blas core: ", info.blas_core.empty() ? "not OpenBLAS" : info.blas_core),
          absl::StrCat("cpu features: ", info.cpu_features),
          absl::StrCat("instructions: ", info.instructions),
          absl::StrCat("threads: ", info.threads, " of ", info.allowed_cores, " allowed cores"),
          absl::StrCat("heap: ", absl::StrJoin(info.heap, " ")),
          absl::StrCat("waiting: ", absl::StrJoin(info.waiting, " "))};
}

int AllowedCores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

}  // namespace rcnn
