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
  std::vector<float> Pack(const PlaneRows& rows, const std::vector<LaneSegment>& segments) const {
    std::vector<float> panel(static_cast<size_t>(rows.count * kPlaneLanes), NAN);
    const PlanePanel target = {segments.data(), static_cast<int64_t>(segments.size()),
                               panel.data()};
    GetPlaneKernel(GetParam()).pack(rows, &target, 1);
    return panel;
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, PlaneKernelsTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

constexpr int64_t kPlane = 120;

std::vector<float> Numbers() {
  std::vector<float> floats(3 * kPlane);
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i + 1);
  return floats;
}

// Segments as a row of outputs ends, with lanes that are missing at both ends and in the middle.
const std::vector<std::vector<LaneSegment>>& Panels() {
  static const auto& panels = *new std::vector<std::vector<LaneSegment>>{
      {},
      {{3, 0xffff}},
      {{0, 0x0001}},
      {{-20, 0x8000}},
      {{0, 0x00ff}, {40, 0xff00}},
      {{2, 0x0006}, {30, 0x0ff0}, {55, 0x7000}},
  };
  return panels;
}

std::vector<float> Expected(const PlaneRows& rows, const std::vector<LaneSegment>& segments) {
  std::vector<float> panel(static_cast<size_t>(rows.count * kPlaneLanes), 0.0f);
  for (int64_t d = 0; d < rows.count; ++d) {
    for (const LaneSegment& segment : segments) {
      for (int64_t l = 0; l < kPlaneLanes; ++l) {
        if ((segment.lanes >> l & 1) == 0) continue;
        panel[d * kPlaneLanes + l] = rows.floats[rows.offsets[d] + segment.offset + l * rows.step];
      }
    }
  }
  return panel;
}

TEST_P(PlaneKernelsTest, TakesTheLanesOfEverySegment) {
  const std::vector<float> floats = Numbers();
  const std::vector<int64_t> offsets = {kPlane + 1, 20, kPlane};
  for (const int64_t step : {1, 2, 3}) {
    const PlaneRows rows = {floats.data(), offsets.data(), 3, step};
    for (const auto& segments : Panels()) {
      EXPECT_EQ(Pack(rows, segments), Expected(rows, segments))
          << "step " << step << ", " << segments.size();
    }
  }
}

// More panels than are filled together, with gaps between their rows, and prefetches beyond the
// end.
TEST_P(PlaneKernelsTest, FillsManyPanels) {
  constexpr int64_t kStride = 20, kPanels = 20;
  const std::vector<float> floats = Numbers();
  const std::vector<int64_t> offsets = {kPlane + 1, 20, kPlane, 30};
  for (const int64_t step : {1, 2, 3}) {
    const PlaneRows rows = {floats.data(), offsets.data(), 4, step, kStride, 2, 1};
    std::vector<std::vector<float>> packed(kPanels, std::vector<float>(4 * kStride, -1.0f));
    std::vector<PlanePanel> targets;
    const auto segments = [&](int64_t p) { return Panels()[p % Panels().size()]; };
    std::vector<std::vector<LaneSegment>> kept;
    for (int64_t p = 0; p < kPanels; ++p) kept.push_back(segments(p));
    for (int64_t p = 0; p < kPanels; ++p) {
      targets.push_back({kept[p].data(), static_cast<int64_t>(kept[p].size()), packed[p].data()});
    }
    GetPlaneKernel(GetParam()).pack(rows, targets.data(), kPanels);
    for (int64_t p = 0; p < kPanels; ++p) {
      const std::vector<float> expected = Expected(rows, kept[p]);
      for (int64_t i = 0; i < 4 * kStride; ++i) {
        const int64_t d = i / kStride, l = i % kStride;
        EXPECT_EQ(packed[p][i], l < kPlaneLanes ? expected[d * kPlaneLanes + l] : -1.0f);
      }
    }
  }
}

// What is not a lane may be anything.
TEST_P(PlaneKernelsTest, ReadsNothingElse) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int64_t step : {1, 2, 3}) {
    std::vector<float> floats(kPlaneLanes * step, nan);
    for (const int64_t l : {2, 3, 9}) floats[l * step] = static_cast<float>(l);
    const int64_t offset = 0;
    std::vector<float> expected(kPlaneLanes, 0.0f);
    for (const int64_t l : {2, 3, 9}) expected[l] = static_cast<float>(l);
    EXPECT_EQ(Pack({floats.data(), &offset, 1, step}, {{0, 1 << 2 | 1 << 3 | 1 << 9}}), expected)
        << step;
  }
}

// A plane that ends at the last lane, at the end of an allocation.
TEST_P(PlaneKernelsTest, StopsAtTheLastLane) {
  for (const int64_t step : {1, 2, 3}) {
    const std::vector<float> floats(15 * step + 1, 1.0f);
    const int64_t offset = 0;
    EXPECT_EQ(Pack({floats.data(), &offset, 1, step}, {{0, 0xffff}}),
              std::vector<float>(kPlaneLanes, 1.0f))
        << step;
  }
}

}  // namespace
}  // namespace rcnn::detection
