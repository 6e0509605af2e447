// The mean and standard deviation that box targets are normalised with.
//
// A module whose buffers move with the model (Module::to). They are not saved
// (weights/module_state.h): the saved box predictor has them folded in
// (FasterRcnn::StateToSave), and each stage sets them again.
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
  // Off.
  BoxNormalization();

  // [..., 4] float32 each, of one shape; copied. Undefined tensors turn it off.
  void Set(const at::Tensor& mean, const at::Tensor& std);

  bool is_set() const { return std_.numel() > 0; }
  // The buffers; undefined if it is off.
  at::Tensor mean() const { return is_set() ? mean_ : at::Tensor(); }
  at::Tensor std() const { return is_set() ? std_ : at::Tensor(); }

  // (targets - mean) / std for targets [N, 4]. `rows` [N] int64 selects the row of mean and std of
  // each target; without it they are [4]. The targets themselves if it is off.
  at::Tensor Normalize(const at::Tensor& targets, const at::Tensor& rows = {}) const;

 private:
  at::Tensor mean_, std_;  // [0] if it is off
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BOX_NORMALIZATION_H_
