// Bounds the memory of all masks of a file by the file's size.
//
// A polygon of 20 bytes may cross a hundred thousand columns of pixels, and has two runs in
// each. Files of labelled images have less than one run for each byte.
//
// Example:
//   RunBudget budget(text.size());
//   RCNN_RETURN_IF_ERROR(budget.Take(num_runs));

#ifndef RCNN_EVAL_RUN_BUDGET_H_
#define RCNN_EVAL_RUN_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace rcnn::eval {

class RunBudget {
 public:
  // Of four bytes each.
  static constexpr int64_t kForAnyFile = 1 << 24;
  static constexpr int64_t kForEachByte = 64;

  explicit RunBudget(size_t file_bytes)
      : most_(kForAnyFile + kForEachByte * static_cast<int64_t>(file_bytes)) {}

  // kResourceExhausted, naming the limit, if all runs taken exceed it. Threads may share it.
  absl::Status Take(int64_t runs);

 private:
  const int64_t most_;
  std::atomic<int64_t> taken_{0};
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_RUN_BUDGET_H_
