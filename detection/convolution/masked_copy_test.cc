#include "rcnn/detection/convolution/masked_copy.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

class MaskedCopyTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, MaskedCopyTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Counts around those of vectors; nothing is written after the row.
TEST_P(MaskedCopyTest, PassesWhereTheMaskIsPositiveOrNan) {
  const std::vector<float> masks = {
      1.0f, 0.0f, -0.0f, -1.0f, std::numeric_limits<float>::denorm_min(), NAN};
  for (const size_t count : {0, 1, 6, 8, 15, 16, 17, 40}) {
    std::vector<float> from(count), mask(count), to(count + 1, 7.0f);
    for (size_t i = 0; i < count; ++i) {
      from[i] = static_cast<float>(i + 1);
      mask[i] = masks[i % masks.size()];
    }
    CopyMasked(from.data(), mask.data(), static_cast<int64_t>(count), to.data());
    for (size_t i = 0; i < count; ++i) {
      const bool passes = i % masks.size() == 0 || i % masks.size() >= 4;
      EXPECT_EQ(to[i], passes ? from[i] : 0.0f) << i << " of " << count;
    }
    EXPECT_EQ(to[count], 7.0f) << count;
  }
}

}  // namespace
}  // namespace rcnn::detection
