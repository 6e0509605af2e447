// The mean and standard deviation that box targets are normalised with.
//
// A module, so that to() moves it with the model. It is not saved: the saved box
// predictor has it folded in (FasterRcnn::StateToSave), and each stage sets it again.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2.3.
//
// Example:
//   normalization->Set(mean, std);
//   targets = normalization->Normalize(targets);

#ifndef RCNN_DETECTION_BOX_NORMALIZATION_H_
#define RCNN_DETECTION_BOX_NORMALIZATION_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

namespace rcnn::detection {

class BoxNormalization : public torch::nn::Module {
 public:
  BoxNormalization() : torch::nn::Module("BoxNormalization") {}

  // [..., 4] float32 each, of one shape; copied. Undefined tensors turn it off.
  void Set(const at::Tensor& mean, const at::Tensor& std);

  bool is_set() const { return std_.defined(); }
  // Undefined if it is off.
  const at::Tensor& mean() const { return mean_; }
  const at::Tensor& std() const { return std_; }

  // (targets - mean) / std for targets [N, 4]. `rows` [N] int64 selects the row of mean and std of
  // each target; without it they are [4]. The targets themselves if it is off.
  at::Tensor Normalize(const at::Tensor& targets, const at::Tensor& rows = {}) const;

  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

 private:
  at::Tensor mean_, std_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BOX_NORMALIZATION_H_
