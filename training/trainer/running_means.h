// Means of the measurements between two lines of metrics.jsonl.
//
// Their sums are part of a checkpoint, so that a resumed run logs the same lines as
// an uninterrupted one.
//
// Example:
//   means.Add("loss", 0.7);
//   for (const auto& [name, mean] : means.Take()) Use(name, mean);

#ifndef RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_
#define RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

class RunningMeans {
 public:
  void Add(absl::string_view name, double value);

  // Returns (name, mean) in the order of the first Add since the last Take, and
  // resets.
  std::vector<std::pair<std::string, double>> Take();

  // The sums as text, which Restore reads back exactly.
  std::string Text() const;
  // kInvalidArgument, changing nothing, for any other text.
  absl::Status Restore(absl::string_view text);

 private:
  struct Sum {
    std::string name;
    double sum = 0;
    int64_t count = 0;
  };
  std::vector<Sum> sums_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_
