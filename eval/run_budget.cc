#include "rcnn/eval/run_budget.h"

#include "absl/strings/str_cat.h"

namespace rcnn::eval {

absl::Status RunBudget::Take(int64_t runs) {
  if (taken_.fetch_add(runs) + runs <= most_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the masks up to this one have more than ", most_,
                   " runs of pixels, the limit for a file of this size"));
}

}  // namespace rcnn::eval
