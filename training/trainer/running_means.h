// Means of the measurements between two lines of metrics.jsonl.
//
// A measurement on another device than the CPU, where reading it would wait for the device,
// stays there until the means are taken or written, which copies all of them at once.
//
// Their sums are part of a checkpoint, so that a resumed run logs the same lines as
// an uninterrupted one.
//
// Example:
//   means.Add("loss", 0.7);
//   for (const auto& [name, mean] : means.Take()) Use(name, mean);

#ifndef RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_
#define RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

class RunningMeans {
 public:
  // Adds a measurement. `name` has no spaces or line breaks.
  void Add(absl::string_view name, double value);
  // The same for a scalar on any device, which is read by Take or Text. No graph is kept.
  void AddUnread(absl::string_view name, const at::Tensor& scalar);

  // Returns (name, mean) in the order of the first Add since the last Take, and
  // resets.
  std::vector<std::pair<std::string, double>> Take();

  // The sums as text, which Restore reads back exactly.
  std::string Text();
  // kInvalidArgument, changing nothing, for any other text.
  absl::Status Restore(absl::string_view text);

 private:
  struct Sum {
    std::string name;
    double sum = 0;
    int64_t count = 0;
    std::vector<at::Tensor> unread = {};
  };

  Sum& Find(absl::string_view name);
  void ReadAll();

  std::vector<Sum> sums_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_RUNNING_MEANS_H_
