// What the tests of all training kernels check in the same way.

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_CHECKS_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_CHECKS_H_

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {

// Tensors of any shapes and dtypes, in the same order in each call.
using Tensors = std::vector<at::Tensor>;

inline void ExpectSameBits(const Tensors& found, const Tensors& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].equal(expected[i])) << i;
}

// Expects the same bits of `run` now, on 1 and 3 threads, and at the level of AVX2.
inline void ExpectThreadsAndLevelsChangeNoBit(const std::function<Tensors()>& run) {
  const Tensors expected = run();
  const int threads = at::get_num_threads();
  for (const int n : {1, 3}) {
    SCOPED_TRACE(n);
    at::set_num_threads(n);
    ExpectSameBits(run(), expected);
  }
  at::set_num_threads(threads);
  const ScopedInstructionLevel level(InstructionLevel::kAvx2);
  ExpectSameBits(run(), expected);
}

// Expects the same bits of a layer whose summand and ReLU are in its function (`apart` is false)
// and are operators after it, for each choice of them.
inline void ExpectAnEpilogueHasTheBitsOfItsOperators(
    const std::function<Tensors(bool has_add, bool relu, bool apart)>& run) {
  for (const bool has_add : {false, true}) {
    for (const bool relu : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "summand " << has_add << ", ReLU " << relu);
      ExpectSameBits(run(has_add, relu, false), run(has_add, relu, true));
    }
  }
}

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_CHECKS_H_
