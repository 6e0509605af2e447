#include "rcnn/eval/results_pieces.h"

#include <sys/mman.h>
#include <unistd.h>

namespace rcnn::eval {

void ReleasePages(absl::string_view mapped) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + mapped.size()) / page * page;
  // Only advice: a failure is harmless.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace rcnn::eval
