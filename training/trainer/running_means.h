// Means of what is measured between two lines of the metrics.
//
// Their sums are part of a checkpoint, so that the lines of a resumed run are those
// of an undisturbed one.
//
// Example:
//   means.Add("loss", 0.7);
//   for (const auto& [name, mean] : means.Take()) Log(name, mean);

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

  // (name, mean) in the order of first Add since the last Take; begins anew.
  std::vector<std::pair<std::string, double>> Take();

  // The sums as text that Restore reads back exactly.
  std::string Text() const;
  // kInvalidArgument, with nothing changed, for another text.
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
