// Samples examples of each image with a limited fraction of positives, by the rule of
// balanced_sampler.h, into tensors of a fixed size with counts: nothing waits for a device.
//
// An example's random bits are a function of the key, its image and its row (kernels/philox.h), and
// the examples with the smallest bits are taken. So the picks need no generator, are the same on
// every device, and do not depend on the batch. Training samples so; the picks are not those of
// SampleBalanced.
//
// Example:
//   CountedSample sample = SampleByCounters(matches.labels, image_ids, key, {.count = 256});

#ifndef RCNN_OPS_COUNTER_SAMPLER_H_
#define RCNN_OPS_COUNTER_SAMPLER_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>

#include "rcnn/ops/balanced_sampler.h"

namespace rcnn::ops {

// Rows of each image, int64, on the labels' device: P = MaxPositives(options), Q = options.count.
struct CountedSample {
  at::Tensor positive;        // [B, P], ascending; 0 beyond the count
  at::Tensor positive_count;  // [B]
  at::Tensor negative;        // [B, Q], likewise
  at::Tensor negative_count;  // [B], at most Q less the positives
};

// Draws without replacement: first positives up to their limit, then negatives to fill the sample.
//
//   labels         [B, N] int64: > 0 positive, 0 negative, < 0 never sampled; N < 2^32
//   image_ids      [B] int64, same device: an image with the same id has the same picks in any
//                  batch
//   key            of all images, such as DrawKey of base/random_stream.h
//   appended_from  in [0, N]: rows from here on were appended to a list of any length, as objects
//                  are to proposals; their bits do not depend on that length. Not set: none
// Every subset of the right size is equally likely.
// Throws c10::Error naming the argument on a wrong shape, dtype or device, and options out of
// range. O(B N) time. Memory: on the CPU O(B (P + Q)) for each 32,768 rows, at most O(B N); on a
// GPU 5 B N bytes.
CountedSample SampleByCounters(const at::Tensor& labels, const at::Tensor& image_ids, uint64_t key,
                               const BalancedSamplerOptions& options,
                               const c10::optional<int64_t>& appended_from = c10::nullopt);

// The same picks for one image, `labels` [N], in tensors of their own size. On another device than
// the CPU this waits for their numbers.
BalancedSample SampleImageByCounters(const at::Tensor& labels, int64_t image_id, uint64_t key,
                                     const BalancedSamplerOptions& options,
                                     const c10::optional<int64_t>& appended_from = c10::nullopt);

// Throws c10::Error as SampleByCounters does. For kernels.
void CheckCounterSampleArguments(const at::Tensor& labels, const at::Tensor& image_ids,
                                 const BalancedSamplerOptions& options,
                                 const c10::optional<int64_t>& appended_from);

// The results of SampleByCounters, not filled.
CountedSample AllocateSample(const at::Tensor& labels, const BalancedSamplerOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COUNTER_SAMPLER_H_
