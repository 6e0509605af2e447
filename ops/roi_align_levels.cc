#include "rcnn/ops/roi_align_levels.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/feature_planes.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

at::MemoryFormat SuggestedFormat(const at::Tensor& tensor) {
  return tensor.suggest_memory_format();
}

at::Tensor EmptyLike(at::IntArrayRef sizes, const at::Tensor& like, at::MemoryFormat format) {
  return at::empty(sizes, like.options().memory_format(format));
}

std::vector<at::Tensor> AllAsPlanes(at::TensorList tensors) {
  std::vector<at::Tensor> planes;
  for (const at::Tensor& tensor : tensors) planes.push_back(AsPlanes(tensor));
  return planes;
}

std::vector<int64_t> OutputSizes(at::TensorList features, const at::Tensor& rois,
                                 int64_t pooled_height, int64_t pooled_width) {
  return {rois.size(0), features[0].size(1), pooled_height, pooled_width};
}

at::Tensor LevelsOnCpu(at::TensorList features, const at::Tensor& rois, const at::Tensor& levels,
                       at::ArrayRef<double> scales, int64_t pooled_height, int64_t pooled_width,
                       int64_t sampling_ratio, bool aligned) {
  CheckRois(rois, "rois", features[0].size(0), *std::max_element(scales.begin(), scales.end()));
  const RoiAlignRequest request{
      rois.detach(), levels, scales.vec(), {pooled_height, pooled_width, sampling_ratio, aligned}};
  const std::vector<at::Tensor> planes = AllAsPlanes(features);
  const at::Tensor output = EmptyLike(OutputSizes(features, rois, pooled_height, pooled_width),
                                      planes[0], SuggestedFormat(features[0]));
  if (output.numel() > 0) RoiAlignLevelsForward(planes, request, output);
  return output;
}

at::Tensor LevelsOnMeta(at::TensorList features, const at::Tensor& rois, const at::Tensor&,
                        at::ArrayRef<double>, int64_t pooled_height, int64_t pooled_width, int64_t,
                        bool) {
  return EmptyLike(OutputSizes(features, rois, pooled_height, pooled_width), features[0],
                   SuggestedFormat(features[0]));
}

// The gradient with respect to each level. `sizes` are 4 numbers per level; a level is written
// channels-last where `channels_last` says so.
std::vector<at::Tensor> MakeGradients(const at::Tensor& grad, at::IntArrayRef sizes,
                                      at::IntArrayRef channels_last) {
  std::vector<at::Tensor> results;
  for (size_t i = 0; i < channels_last.size(); ++i) {
    const at::MemoryFormat format =
        channels_last[i] != 0 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    results.push_back(EmptyLike(sizes.slice(4 * i, 4), grad, format));
  }
  return results;
}

std::vector<at::Tensor> BackwardLevelsOnCpu(const at::Tensor& grad, const at::Tensor& rois,
                                            const at::Tensor& levels, at::ArrayRef<double> scales,
                                            int64_t pooled_height, int64_t pooled_width,
                                            int64_t sampling_ratio, bool aligned,
                                            at::IntArrayRef sizes, at::IntArrayRef channels_last) {
  const RoiAlignRequest request{
      rois.detach(), levels, scales.vec(), {pooled_height, pooled_width, sampling_ratio, aligned}};
  const at::Tensor planes = AsPlanes(grad);
  const std::vector<at::Tensor> results = MakeGradients(planes, sizes, channels_last);
  if (results[0].size(0) > 0 && results[0].size(1) > 0)
    RoiAlignLevelsBackward(planes, request, results);
  return results;
}

std::vector<at::Tensor> BackwardLevelsOnMeta(const at::Tensor& grad, const at::Tensor&,
                                             const at::Tensor&, at::ArrayRef<double>, int64_t,
                                             int64_t, int64_t, bool, at::IntArrayRef sizes,
                                             at::IntArrayRef channels_last) {
  return MakeGradients(grad, sizes, channels_last);
}

// The arguments of both operators that are not features.
struct Arguments : torch::CustomClassHolder {
  at::Tensor rois;
  at::Tensor levels;
  std::vector<double> scales;
  RoiAlignGrid grid;
  // Of the features.
  std::vector<c10::SymInt> sizes;
  std::vector<int64_t> channels_last;
};

// BackwardLevelsOnCpu with sizes that may be symbols.
using BackwardSignature = std::vector<at::Tensor>(const at::Tensor&, const at::Tensor&,
                                                  const at::Tensor&, at::ArrayRef<double>, int64_t,
                                                  int64_t, int64_t, bool, c10::SymIntArrayRef,
                                                  at::IntArrayRef);

std::vector<at::Tensor> CallBackward(const at::Tensor& grad, const Arguments& arguments) {
  static const auto op = FindOperator<BackwardSignature>("_roi_align_levels_backward");
  const RoiAlignGrid& grid = arguments.grid;
  return op.call(grad, arguments.rois, arguments.levels, arguments.scales, grid.pooled_height,
                 grid.pooled_width, grid.sampling_ratio, grid.aligned, arguments.sizes,
                 arguments.channels_last);
}

// The gradient as a separate node, so that differentiating it is an error and not a silent 0.
class RoiAlignGradient : public Function<RoiAlignGradient> {
 public:
  static variable_list forward(AutogradContext*, const at::Tensor& grad,
                               const c10::intrusive_ptr<Arguments>& arguments) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return CallBackward(grad, *arguments);
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false, "the gradient of roi_align cannot be differentiated again");
  }
};

class RoiAlignFunction : public Function<RoiAlignFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, at::TensorList features,
                            const c10::intrusive_ptr<Arguments>& arguments) {
    context->saved_data["arguments"] = c10::IValue::make_capsule(arguments);
    const at::AutoDispatchBelowADInplaceOrView below;
    return RoiAlignLevels(features, arguments->rois, arguments->levels, arguments->scales,
                          arguments->grid);
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto arguments =
        c10::static_intrusive_pointer_cast<Arguments>(context->saved_data["arguments"].toCapsule());
    variable_list results = RoiAlignGradient::apply(grads[0], arguments);
    results.emplace_back();  // for the arguments
    return results;
  }
};

at::Tensor LevelsWithGradient(at::TensorList features, const at::Tensor& rois,
                              const at::Tensor& levels, at::ArrayRef<double> scales,
                              int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                              bool aligned) {
  auto arguments = c10::make_intrusive<Arguments>();
  arguments->rois = rois.detach();
  arguments->levels = levels;
  arguments->scales = scales.vec();
  arguments->grid = {pooled_height, pooled_width, sampling_ratio, aligned};
  for (const at::Tensor& map : features) {
    const c10::SymIntArrayRef sizes = map.sym_sizes();
    arguments->sizes.insert(arguments->sizes.end(), sizes.begin(), sizes.end());
    arguments->channels_last.push_back(SuggestedFormat(map) == at::MemoryFormat::ChannelsLast);
  }
  return RoiAlignFunction::apply(features, arguments);
}

void CheckFeaturesAgree(at::TensorList features) {
  for (size_t i = 1; i < features.size(); ++i) {
    const std::string name = "features[" + std::to_string(i) + "]";
    CheckSameDtypeAndDevice(features[i], name.c_str(), features[0], "features[0]");
    TORCH_CHECK(features[i].sym_size(0) == features[0].sym_size(0) &&
                    features[i].sym_size(1) == features[0].sym_size(1),
                name, ": is ", Describe(features[i]),
                ", with other images or channels than features[0], which is ",
                Describe(features[0]));
  }
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "_roi_align_levels(Tensor[] features, Tensor rois, Tensor levels, float[] scales, "
                 "int pooled_height, int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
                 &LevelsOnCpu, &LevelsOnMeta, &LevelsWithGradient, AutocastRule::kReadsMaps);
  DefineOperator(m,
                 "_roi_align_levels_backward(Tensor grad, Tensor rois, Tensor levels, "
                 "float[] scales, int pooled_height, int pooled_width, int sampling_ratio, "
                 "bool aligned, SymInt[] sizes, int[] channels_last) -> Tensor[]",
                 &BackwardLevelsOnCpu, &BackwardLevelsOnMeta, AutocastRule::kReadsMaps);
}

}  // namespace

at::Tensor RoiAlignLevels(at::TensorList features, const at::Tensor& rois, const at::Tensor& levels,
                          const std::vector<double>& scales, const RoiAlignGrid& grid) {
  CheckFeaturesAgree(features);
  static const auto op = FindOperator<decltype(LevelsOnCpu)>("_roi_align_levels");
  return op.call(features, rois, levels, scales, grid.pooled_height, grid.pooled_width,
                 grid.sampling_ratio, grid.aligned);
}

}  // namespace rcnn::ops
