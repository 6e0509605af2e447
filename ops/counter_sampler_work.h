// The arguments of the kernel of kernels/balanced_sample.h, from those of counter_sampler.h.
//
// Internal to ops.

#ifndef RCNN_OPS_COUNTER_SAMPLER_WORK_H_
#define RCNN_OPS_COUNTER_SAMPLER_WORK_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>

#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/kernels/balanced_sample.h"

namespace rcnn::ops {

// All tensors are contiguous and must outlive the launch. Scratch is left null:
// only SampleExamples needs it (PlanSample).
inline SampleWork MakeSampleWork(const at::Tensor& labels, const at::Tensor& image_ids,
                                 uint64_t key, int64_t count,
                                 const c10::optional<int64_t>& appended_from,
                                 const CountedSample& results) {
  SampleWork work{};
  work.images = labels.size(0);
  work.rows = labels.size(1);
  work.appended_from = appended_from.value_or(work.rows);
  work.labels = labels.data_ptr<int64_t>();
  work.image_ids = image_ids.data_ptr<int64_t>();
  work.key = key;
  work.count = count;
  work.max_positive = results.positive.size(1);
  work.positive = results.positive.data_ptr<int64_t>();
  work.positive_count = results.positive_count.data_ptr<int64_t>();
  work.negative = results.negative.data_ptr<int64_t>();
  work.negative_count = results.negative_count.data_ptr<int64_t>();
  return work;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COUNTER_SAMPLER_WORK_H_
