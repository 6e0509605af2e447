// An exponential moving average of the weights during training. It usually detects better
// than the final weights.
//
// Source: Polyak and Juditsky, SIAM J. Control Optim. 30 (1992); the rising decay is
// that of TensorFlow's ExponentialMovingAverage with num_updates.
//
// Example:
//   WeightAverage average(parameters, 0.998);
//   for (int64_t i = 0; i < iterations; ++i) {
//     RCNN_RETURN_IF_ERROR(solver.Update(i).status());
//     average.Update();
//   }
//   const WeightAverage::Swap swap(average);  // the model now has the average

#ifndef RCNN_TRAINING_TRAINER_WEIGHT_AVERAGE_H_
#define RCNN_TRAINING_TRAINER_WEIGHT_AVERAGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/trainer/trained_parameter.h"

namespace rcnn::training {

class WeightAverage {
 public:
  // decay: weight of the old average, in [0, 1); in the n-th update at most (1 + n) /
  // (10 + n). 0: no averaging; the average is the weights themselves.
  WeightAverage(std::vector<TrainedParameter> parameters, double decay);

  // Adds the current weights to the average.
  void Update();

  // Replaces the parameters with the average during its lifetime, then restores them.
  class Swap {
   public:
    explicit Swap(const WeightAverage& average);
    ~Swap();
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    const WeightAverage& average_;
    std::vector<at::Tensor> weights_;
  };

  // Adds "average.<parameter>" and "average_updates" to a checkpoint's state.
  void Save(detection::weights::StateDict& state) const;
  // kInvalidArgument naming the tensor that is missing or has another shape.
  absl::Status Restore(const detection::weights::StateDict& state);

 private:
  std::vector<TrainedParameter> parameters_;
  double decay_;
  std::vector<at::Tensor> averages_;  // empty with decay 0
  int64_t updates_ = 0;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_WEIGHT_AVERAGE_H_
