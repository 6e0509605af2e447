// The norm after a convolution (conv.h), which folds it into its weights where it is constant: a
// batch norm, trained or frozen, or a group norm.
//
// Example:
//   Norm norm(64, {.kind = NormOptions::kGroupNorm, .groups = 32});
//   const at::Tensor y = norm.Forward(maps);

#ifndef RCNN_DETECTION_NORM_H_
#define RCNN_DETECTION_NORM_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layer_tensors.h"

namespace rcnn::detection {

struct NormOptions {
  enum Kind { kNone, kFrozenBatchNorm, kBatchNorm, kGroupNorm };
  Kind kind = kNone;
  // Added to variances.
  double epsilon = 1e-5;
  // kBatchNorm: weight of the batch in the running statistics.
  double momentum = 0.1;
  // kGroupNorm: divides the channels.
  int64_t groups = 32;
};

// What a batch norm in training changes in place; shares its memory.
struct RunningStatistics {
  at::Tensor mean, variance;  // [C] float32
  at::Tensor batches;         // int64 scalar: how many have been added
  double momentum = 0.1;      // the weight of one
};

// Adds up a tensor over the processes that share a batch (ImageRange), in all of which it has the
// same shape. Differentiable: its gradient is the sum of theirs. All call it at the same places.
using PartsSum = std::function<at::Tensor(const at::Tensor& values)>;

// Normalises [N, C, H, W] by batch statistics, constants or groups of channels.
//
// A batch norm whose weight does not require a gradient is frozen: it uses its
// running statistics and does not update them, even in training. A frozen batch
// norm has only buffers, named like the batch norm's parameters.
class Norm : public torch::nn::Module {
 public:
  Norm(int64_t channels, const NormOptions& options);

  // True if the result is x * scale + shift with constants per channel.
  bool IsAffine() const;
  // True for a group norm, which treats each image separately, in training as well.
  bool IsGroupNorm() const { return options_.kind == NormOptions::kGroupNorm; }
  // These constants, [C] each. IsAffine() must hold. Differentiable.
  std::pair<at::Tensor, at::Tensor> ScaleAndShift() const;
  // True if no gradient is wanted of these constants either.
  bool IsFrozen() const;
  // Has ScaleAndShift compute the constants of a frozen norm once, and again only after a change.
  // Then it is not thread-safe.
  void KeepConstants() { keeps_constants_ = true; }

  at::Tensor Forward(const at::Tensor& x) const;
  // A batch norm in training uses the statistics of the cells of all images, each of the same
  // weight.
  BatchMap Forward(const BatchMap& x) const;

  // Makes a batch norm in training use the statistics of the whole batch, of which x is a part. Two
  // sums in the forward pass, and two of gradients. Null: x is the batch.
  void SetPartsSum(PartsSum sum) { parts_sum_ = std::move(sum); }

  // The statistics that Forward changes; not set if it changes none.
  c10::optional<RunningStatistics> TrainedStatistics() const;

  // Changes whenever the parameters or statistics are modified in place.
  int64_t Version() const;

 private:
  // Normalises with the statistics of all parts, and of the parts of other processes.
  BatchMap ForwardOfParts(const BatchMap& x) const;
  // The sum [C] over all cells.
  at::Tensor SumOfCells(const BatchMap& x) const;
  // Of this process's values over all processes.
  at::Tensor SumOfProcesses(const at::Tensor& values) const;
  void UpdateStatistics(const at::Tensor& mean, const at::Tensor& variance, double count) const;
  std::pair<at::Tensor, at::Tensor> ComputeScaleAndShift() const;

  NormOptions options_;
  at::Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
  PartsSum parts_sum_;
  bool keeps_constants_ = false;
  mutable KeptTensors kept_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_NORM_H_
