#include "rcnn/detection/head_losses.h"

#include <ATen/ATen.h>
#include <c10/util/Optional.h>

#include <algorithm>

#include "rcnn/detection/finite_output.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/sampled_losses.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// What the sums over RoIs are divided by, of a part of a batch; not set: their own number.
c10::optional<double> PartNormalizer(const RoiSamples& samples) {
  if (!samples.rois_of_batch) return c10::nullopt;
  return std::max<double>(1, static_cast<double>(*samples.rois_of_batch));
}

// The same of samples of a fixed size, at first; not set: the RoIs that count.
c10::optional<double> CountedNormalizer(const RoiSamples& samples) {
  if (samples.unread_of.defined()) return 1.0;
  return PartNormalizer(samples);
}

// `box_loss` of the RoIs with a label > 0; the others are rows of zeros. Divided by the RoIs that
// count, unless there is a normalizer.
at::Tensor CountedBoxLoss(const HeadOutput& output, const at::Tensor& labels,
                          const at::Tensor& targets, const c10::optional<double>& normalizer,
                          const BoxLoss& box_loss, const configs::HeadLossConfig& config) {
  const int64_t outputs = output.logits.size(1);
  const at::Tensor other = labels.le(0).unsqueeze(1);
  const at::Tensor group = labels.clamp_min(0).view({-1, 1, 1}).expand({-1, 1, 4});
  const at::Tensor predictions =
      output.deltas.reshape({-1, outputs, 4}).gather(1, group).squeeze(1);
  const at::Tensor distance = box_loss(predictions.masked_fill(other, 0),
                                       targets.masked_fill(other, 0), {config.smooth_l1_beta()}) *
                              config.box_weight();
  if (normalizer) return distance / *normalizer;
  return distance / labels.ge(0).sum().clamp_min(1);
}

// Of samples whose number of RoIs per image is known.
HeadLosses CountedLosses(const HeadOutput& output, const RoiSamples& samples,
                         const BoxNormalization& normalization, const BoxLoss* box_loss,
                         const configs::HeadLossConfig& config) {
  const at::Tensor targets =
      normalization.Normalize(samples.box_targets, samples.labels.clamp_min(0));
  ops::FastRcnnLossOptions options;
  options.box_weight = config.box_weight();
  options.beta = config.smooth_l1_beta();
  options.normalizer = CountedNormalizer(samples);
  const at::Tensor finite_logits = CheckFiniteOutput(output.logits, "logits of RoIs");
  const at::Tensor finite_deltas = CheckFiniteOutput(output.deltas, "deltas of RoIs");
  const ops::UncheckedValues unchecked;
  const ops::FastRcnnLosses losses =
      ops::SampledFastRcnnLoss(output.logits, output.deltas, samples.labels, targets, options);
  HeadLosses result = {losses.classification, losses.box};
  if (box_loss != nullptr) {
    result.box =
        CountedBoxLoss(output, samples.labels, targets, options.normalizer, *box_loss, config);
  }
  if (samples.unread_of.defined()) {
    result.classes = result.classes / samples.unread_of.clamp_min(1);
    result.box = result.box / samples.unread_of.clamp_min(1);
  }
  result.positives = samples.positives;
  result.negatives = samples.labels.size(0) - samples.positives;
  result.finite = BothFinite(finite_logits, finite_deltas);
  result.unread_positives = samples.unread_positives;
  result.unread_negatives = samples.unread_negatives;
  return result;
}

}  // namespace

HeadLosses ComputeHeadLosses(const HeadOutput& output, const RoiSamples& samples,
                             const BoxNormalization& normalization, const BoxLoss* box_loss,
                             const configs::HeadLossConfig& config) {
  if (!samples.rois_of_image.empty()) {
    return CountedLosses(output, samples, normalization, box_loss, config);
  }
  const at::Tensor targets = normalization.Normalize(samples.box_targets, samples.labels);
  ops::FastRcnnLossOptions options;
  options.box_weight = config.box_weight();
  options.beta = config.smooth_l1_beta();
  options.normalizer = PartNormalizer(samples);
  if (box_loss != nullptr) {
    options.box_distance = [&](const at::Tensor& predictions, const at::Tensor& wanted) {
      return (*box_loss)(predictions, wanted, {options.beta});
    };
  }
  const at::Tensor finite_logits = CheckFiniteOutput(output.logits, "logits of RoIs");
  const at::Tensor finite_deltas = CheckFiniteOutput(output.deltas, "deltas of RoIs");
  const ops::UncheckedValues unchecked;
  const ops::FastRcnnLosses losses =
      ops::FastRcnnLoss(output.logits, output.deltas, samples.labels, targets, options);
  return {losses.classification, losses.box, samples.positives,
          samples.labels.size(0) - samples.positives, BothFinite(finite_logits, finite_deltas)};
}

}  // namespace rcnn::detection
