// The first iteration with a value that was not finite, kept on the device of the values.
//
// Reading a number from a device such as a GPU waits for it. So on such a device the model
// reports whether its values are finite in bool scalars that stay there. They are folded into a
// flag, which the trainer reads with the log, and before every checkpoint and validation.
//
// Example:
//   flag.Add("rpn_output", finite, /*iteration=*/12);
//   if (const auto fault = flag.Read()) return Diverged(fault->iteration, fault->names);

#ifndef RCNN_TRAINING_TRAINER_NON_FINITE_FLAG_H_
#define RCNN_TRAINING_TRAINER_NON_FINITE_FLAG_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rcnn::training {

class NonFiniteFlag {
 public:
  struct Fault {
    int64_t iteration = 0;
    std::vector<std::string> names;  // of the values that were not finite in it, sorted
  };

  // Records whether the values called `name` are finite in `iteration` >= 0: a bool scalar on any
  // device, the same one for each call. Does not wait for the device.
  void Add(const std::string& name, const at::Tensor& finite, int64_t iteration);

  // Whether all values so far were finite: a bool scalar on their device, undefined before the
  // first Add. Does not wait for the device.
  at::Tensor IsClear() const;

  // The first iteration of those added in which some values were not finite; none if all were.
  // Waits for the device, once.
  std::optional<Fault> Read() const;

 private:
  // By name: the first such iteration, an int64 scalar on the device of the values.
  std::map<std::string, at::Tensor> first_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_NON_FINITE_FLAG_H_
