// The losses of a model on a batch, by name.
//
// The trainer sums them and logs each under its name, without knowing what they are. A
// new part of the model appends its own.
//
// Example:
//   Losses losses = model->ComputeLosses(images, targets, generator);
//   losses.Total().backward();

#ifndef RCNN_DETECTION_LOSSES_H_
#define RCNN_DETECTION_LOSSES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rcnn::detection {

struct Losses {
  // Scalars, to be summed: "rpn_objectness", "rpn_box", "head_classes", "head_box" and those of
  // branches.
  std::vector<std::pair<std::string, at::Tensor>> parts;
  // For the log: "anchors_positive", "anchors_negative", "rois_positive", "rois_negative".
  std::vector<std::pair<std::string, int64_t>> counts;
  // Of samples of a fixed size (TrainingTargets::counted), in place of `counts`: scalars on the
  // device.
  std::vector<std::pair<std::string, at::Tensor>> unread_counts = {};
  // On another device than the CPU: by name, whether the network's outputs are finite, bool
  // scalars there (finite_output.h). Empty on the CPU, where they are checked at once.
  std::vector<std::pair<std::string, at::Tensor>> finite = {};

  void Append(Losses more);

  // The sum of the parts, in their order; undefined if there are none.
  at::Tensor Total() const;

  // The part or count of that name; a count on a device is waited for. Throws c10::Error if there
  // is none.
  const at::Tensor& Part(const std::string& name) const;
  int64_t Count(const std::string& name) const;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_LOSSES_H_
