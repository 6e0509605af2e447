#include "rcnn/base/lerp_tensors.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/Scalar.h>
#include <c10/util/Exception.h>

#include "rcnn/base/libtorch_version.h"
#if RCNN_LIBTORCH_2
#include <ATen/ops/_foreach_lerp.h>
#endif

namespace rcnn {

void LerpTensors(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& others,
                 double share) {
  TORCH_CHECK(tensors.size() == others.size(), "others: expected ", tensors.size(),
              " tensors, got ", others.size());
  if (tensors.empty()) return;
  const at::NoGradGuard no_grad;
#if RCNN_LIBTORCH_2
  at::_foreach_lerp_(tensors, others, at::Scalar(share));
#else
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].lerp_(others[i], share);
#endif
}

}  // namespace rcnn
