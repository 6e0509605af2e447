// A fully connected layer with bfloat16 operands and float32 sums, for inference on the CPU.
//
// The weights are rounded and packed once; they take half the memory of float32.
//
// Example:
//   Bfloat16Linear fc6(weight.data_ptr<float>(), bias.data_ptr<float>(), 1024, 12544);
//   fc6.Run(x.data_ptr<float>(), 1000, /*relu=*/true, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_LINEAR_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_LINEAR_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/bfloat16_panels.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

class Bfloat16Linear {
 public:
  // weight [out_features, in_features]; bias [out_features] or null. With `stored`, the panels() of
  // an equal layer, `weight` is not read; throws std::invalid_argument if they have another size.
  // Otherwise `release` is called with one part of the weight after the other, of whole rows and at
  // most kReleasedBytes or sixteen rows, as soon as it has been packed: from several threads at a
  // time, and with each number once.
  Bfloat16Linear(const float* weight, const float* bias, int64_t out_features, int64_t in_features,
                 const StoredPanels& stored = {}, const ReleaseMemory& release = nullptr);

  static constexpr int64_t kReleasedBytes = int64_t{4} << 20;

  // x [count, in_features] -> y [count, out_features], both dense, and not the same memory.
  // Thread-safe; uses LibTorch's threads.
  void Run(const float* x, int64_t count, bool relu, float* y) const;

  int64_t out_features() const { return out_features_; }
  int64_t in_features() const { return in_features_; }

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  AlignedBfloat16s PackWeights(const float* weight, int64_t count,
                               const ReleaseMemory& release) const;
  AlignedBfloat16s PackInputs(const float* x, int64_t count) const;
  // Adds the products over pairs [begin, end) of the depth to outputs [16 panel, 16 panel + 16).
  void MultiplyPart(const Bfloat16* inputs, int64_t count, int64_t panel, int64_t begin,
                    int64_t end, bool relu, float* y) const;

  const Bfloat16Kernels& kernels_;
  int64_t out_features_, in_features_;
  std::vector<float> bias_;        // of a multiple of 16
  PackedPanels<Bfloat16> weight_;  // column panels
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_LINEAR_H_
