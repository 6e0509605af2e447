// Updates weights from gradients: SGD with momentum, or AdamW.
//
// Supports PyTorch's and Caffe's momentum, decay and rate multipliers per
// parameter, averaged gradients of several batches, and gradient clipping;
// solver.proto has the formulas. On the CPU: one pass over all gradients for their norm,
// then one over each parameter. The result does not depend on the number of threads.
// On a GPU kernels over all parameters do the same (ops/weight_update.h), or, where they are not
// built, LibTorch's operators (operator_update.h), without waiting for it. Not for sparse
// gradients.
//
// A resume needs the weights and State(); everything else follows from the
// iteration.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Solver solver, Solver::Create(config, parameters));
//   for (int64_t i = 0; i < config.iterations(); ++i) {
//     for (int b = 0; b < config.batches_per_update(); ++b) NextLoss().backward();
//     RCNN_ASSIGN_OR_RETURN(UpdateInfo info, solver.Update(i));
//   }

#ifndef RCNN_TRAINING_TRAINER_SOLVER_H_
#define RCNN_TRAINING_TRAINER_SOLVER_H_

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/solver.pb.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/ops/weight_update.h"
#include "rcnn/training/trainer/loss_scale.h"
#include "rcnn/training/trainer/operator_update.h"
#include "rcnn/training/trainer/parameter_rules.h"
#include "rcnn/training/trainer/trained_parameter.h"

namespace rcnn::training {

// The result of an update.
struct UpdateInfo {
  double learning_rate = 0;  // before multipliers
  // Euclidean norm of the averaged gradient of all parameters, before clipping.
  double gradient_norm = 0;
  // With kernels or operators, gradient_norm is NaN, and these are scalars on the device: the norm
  // in float64, 0 where a gradient is not finite; and a bool, false where that is an error, as it
  // always is without a loss scale, and with one that cannot shrink.
  at::Tensor unread_norm = {};
  at::Tensor finite = {};
  at::Tensor loss_scale = {};  // of this update, a float32 scalar; undefined without one
};

struct SolverOptions {
  // Multiplies the loss by a factor that adapts to the gradients (loss_scale.h), for float16.
  // Implies uses_kernels.
  bool scales_loss = false;
  // Updates with LibTorch's operators, as on a GPU without rcnn's kernels, on every device.
  bool uses_operators = false;
  // Updates with rcnn's kernels, as on a GPU, on the CPU too.
  bool uses_kernels = false;
};

class Solver {
 public:
  // kInvalidArgument if the config fails CheckSolverConfig, there is no parameter,
  // two share a name or lie on different devices, one is not a dense float32 leaf that requires a
  // gradient, or a rule matches none.
  static absl::StatusOr<Solver> Create(const configs::SolverConfig& config,
                                       std::vector<TrainedParameter> parameters,
                                       const SolverOptions& options = {});

  // The loss whose backward pass gives the gradients for Update: a scalar, multiplied by the loss
  // scale if there is one.
  at::Tensor ScaleLoss(const at::Tensor& loss) const;

  // Applies the gradients that backward passes have summed up in the parameters, as
  // update `iteration`, and clears them. A parameter without a gradient is
  // unchanged. kDataLoss, naming the parameter and changing nothing, if a gradient
  // is not finite. With kernels and operators such a gradient changes nothing either, but is not an
  // error (UpdateInfo::finite); nor does anything change where `allowed`, a bool scalar on the
  // device, is defined and false.
  absl::StatusOr<UpdateInfo> Update(int64_t iteration, const at::Tensor& allowed = {});

  // Momentum buffers ("momentum.<parameter>"; for AdamW "first_moment." and
  // "second_moment.", and "updates.<parameter>", an int64 scalar), and with a loss scale
  // "loss_scale.value" and "loss_scale.good_updates". Shares memory. The same on every device.
  detection::weights::StateDict State() const;

  // Restores the State() of a solver with the same parameters. kInvalidArgument
  // naming the first buffer that is missing, unknown or has another shape.
  absl::Status Restore(const detection::weights::StateDict& state);

  // Of the parameters, in the order given to Create; for reports.
  const std::vector<ParameterMultipliers>& multipliers() const { return multipliers_; }

 private:
  // What makes the updates (solver.cc).
  enum class Form { kLoops, kKernels, kOperators };

  Solver(configs::SolverConfig config, std::vector<TrainedParameter> parameters,
         std::vector<ParameterMultipliers> multipliers, const SolverOptions& options);

  static Form ChooseForm(const SolverOptions& options, c10::DeviceType device);

  absl::StatusOr<double> GradientNorm(const std::vector<at::Tensor>& gradients) const;
  void UpdateParameter(size_t index, const at::Tensor& gradient, double scale, int64_t iteration);
  UpdateInfo UpdateOnDevice(const std::vector<at::Tensor>& gradients, int64_t iteration,
                            const at::Tensor& allowed);
  ops::WeightUpdateResult UpdateWithKernels(const std::vector<at::Tensor>& gradients,
                                            int64_t iteration, const at::Tensor& allowed);
  ops::WeightUpdateResult UpdateWithOperators(const std::vector<at::Tensor>& gradients,
                                              int64_t iteration, const at::Tensor& allowed);
  void UpdateWithOperators(size_t index, const at::Tensor& gradient, const UpdateGate& gate,
                           int64_t iteration);
  double Rate(size_t index, int64_t iteration) const;
  double Decay(size_t index) const;
  at::Tensor NumUpdates(size_t index) const;

  configs::SolverConfig config_;
  std::vector<TrainedParameter> parameters_;
  std::vector<ParameterMultipliers> multipliers_;
  // Per parameter, of its shape and strides. SGD uses the first, AdamW both.
  std::vector<at::Tensor> first_;
  std::vector<at::Tensor> second_;
  ops::WeightUpdateRule rule_;
  Form form_ = Form::kLoops;
  // AdamW: per parameter, for the bias correction.
  std::vector<int64_t> updates_;
  std::vector<at::Tensor> device_updates_;  // instead of updates_, without loops
  std::optional<LossScale> loss_scale_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_SOLVER_H_
