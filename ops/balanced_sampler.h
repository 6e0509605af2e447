// Samples a fixed number of examples with a limited fraction of positives, as in
// the minibatches of the RPN and of Fast R-CNN.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.3 (256 anchors, up to half of
// them positive, filled up with negatives); Girshick, arXiv:1504.08083, Sec. 2.3
// (64 RoIs per image, a quarter positive).
//
// For callers that have a generator. Training draws by counters instead, with the same picks on
// every device (counter_sampler.h).
//
// Example:
//   at::Generator generator = MakeGenerator(key);  // base/random_stream.h
//   BalancedSample sample =
//       SampleBalanced(matches.labels, {.count = 64, .positive_fraction = 0.25}, generator);

#ifndef RCNN_OPS_BALANCED_SAMPLER_H_
#define RCNN_OPS_BALANCED_SAMPLER_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

struct BalancedSamplerOptions {
  // Examples of one image, >= 0.
  int64_t count = 256;
  // At most count * positive_fraction of them, rounded half to even, are positive;
  // in [0, 1].
  double positive_fraction = 0.5;
};

// The most positives of a sample.
int64_t MaxPositives(const BalancedSamplerOptions& options);

// Throws c10::Error naming the option that is out of range.
void CheckBalancedSamplerOptions(const BalancedSamplerOptions& options);

// Indices into the labels, int64, ascending, on the labels' device.
struct BalancedSample {
  at::Tensor positive;  // [P], labels > 0
  at::Tensor negative;  // [Q], labels == 0; P + Q <= count
};

// Draws without replacement: first positives up to their limit, then negatives to
// fill the sample. If there are too few of both, the sample is smaller.
//
//   labels     [N] int64: > 0 positive, 0 negative, < 0 never sampled
//   generator  CPU generator; advanced by the draws alone. A draw is made for
//              every example chosen from a larger set, and none otherwise.
// Every subset of the right size is equally likely. The same labels and state of
// the generator give the same sample, on any device and with any number of threads.
// Throws c10::Error on a wrong shape or dtype, options out of range, and a generator
// that is not the CPU's.
// O(N) time and memory.
BalancedSample SampleBalanced(const at::Tensor& labels, const BalancedSamplerOptions& options,
                              at::Generator generator);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BALANCED_SAMPLER_H_
