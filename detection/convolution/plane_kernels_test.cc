#include "rcnn/detection/convolution/plane_kernels.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

class PlaneKernelsTest : public InstructionLevelTest {
 protected:
  std::vector<float> Pack(const PlaneRows& rows) const {
    std::vector<float> panel(static_cast<size_t>(rows.count * kPlaneLanes), NAN);
    GetPlaneKernel(GetParam()).pack(rows, panel.data());
    return panel;
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, PlaneKernelsTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Segments as a row of outputs ends, with lanes that are missing at both ends and in the middle.
TEST_P(PlaneKernelsTest, TakesTheLanesOfEverySegment) {
  const std::vector<std::vector<LaneSegment>> cases = {
      {},
      {{3, 0xffff}},
      {{0, 0x0001}},
      {{-20, 0x8000}},
      {{0, 0x00ff}, {40, 0xff00}},
      {{2, 0x0006}, {30, 0x0ff0}, {55, 0x7000}},
  };
  constexpr int64_t kPlane = 120;
  std::vector<float> floats(3 * kPlane);
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i + 1);
  const std::vector<int64_t> offsets = {kPlane + 1, 20, kPlane};
  for (const int64_t step : {1, 2, 3}) {
    for (const auto& segments : cases) {
      PlaneRows rows;
      rows.floats = floats.data();
      rows.offsets = offsets.data();
      rows.count = static_cast<int64_t>(offsets.size());
      rows.segments = segments.data();
      rows.num_segments = static_cast<int64_t>(segments.size());
      rows.step = step;
      std::vector<float> expected(offsets.size() * kPlaneLanes, 0.0f);
      for (size_t d = 0; d < offsets.size(); ++d) {
        for (const LaneSegment& segment : segments) {
          for (int64_t l = 0; l < kPlaneLanes; ++l) {
            if ((segment.lanes >> l & 1) == 0) continue;
            expected[d * kPlaneLanes + l] = floats[offsets[d] + segment.offset + l * step];
          }
        }
      }
      EXPECT_EQ(Pack(rows), expected) << "step " << step << ", " << segments.size();
    }
  }
}

// What is not a lane may be anything.
TEST_P(PlaneKernelsTest, ReadsNothingElse) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int64_t step : {1, 2, 3}) {
    std::vector<float> floats(kPlaneLanes * step, nan);
    for (const int64_t l : {2, 3, 9}) floats[l * step] = static_cast<float>(l);
    const LaneSegment segment = {0, 1 << 2 | 1 << 3 | 1 << 9};
    const int64_t offset = 0;
    std::vector<float> expected(kPlaneLanes, 0.0f);
    for (const int64_t l : {2, 3, 9}) expected[l] = static_cast<float>(l);
    EXPECT_EQ(Pack({floats.data(), &offset, 1, &segment, 1, step}), expected) << step;
  }
}

// A plane that ends at the last lane, at the end of an allocation.
TEST_P(PlaneKernelsTest, StopsAtTheLastLane) {
  for (const int64_t step : {1, 2, 3}) {
    const std::vector<float> floats(15 * step + 1, 1.0f);
    const LaneSegment segment = {0, 0xffff};
    const int64_t offset = 0;
    EXPECT_EQ(Pack({floats.data(), &offset, 1, &segment, 1, step}),
              std::vector<float>(kPlaneLanes, 1.0f))
        << step;
  }
}

}  // namespace
}  // namespace rcnn::detection
