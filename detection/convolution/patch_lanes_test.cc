#include "rcnn/detection/convolution/patch_lanes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

// For every lane the index of its pixel by the definition of a convolution; -1 in the padding.
std::vector<int64_t> Expected(const SlidingWindow& w, int64_t i, int64_t j, int64_t first,
                              int64_t count) {
  std::vector<int64_t> pixels(kPlaneLanes, -1);
  for (int64_t l = 0; l < count; ++l) {
    const int64_t y = (first + l) / w.out_width * w.stride + i - w.padding;
    const int64_t x = (first + l) % w.out_width * w.stride + j - w.padding;
    if (y >= 0 && y < w.height && x >= 0 && x < w.width) pixels[l] = y * w.width + x;
  }
  return pixels;
}

std::vector<int64_t> Pixels(const SlidingWindow& window, const PatchLanes& lanes) {
  std::vector<int64_t> pixels(kPlaneLanes, -1);
  for (int64_t s = 0; s < lanes.size(); ++s) {
    const LaneSegment& segment = lanes.segments()[s];
    for (int64_t l = 0; l < kPlaneLanes; ++l) {
      if ((segment.lanes >> l & 1) == 0) continue;
      EXPECT_EQ(pixels[l], -1) << "a lane in two segments";
      pixels[l] = segment.offset + l * window.stride;
    }
  }
  return pixels;
}

TEST(PatchLanesTest, AreThePixelsOfTheDefinition) {
  for (const int64_t stride : {1, 2, 3}) {
    for (const int64_t padding : {0, 1, 3}) {
      for (const int64_t width : {7, 16, 41}) {
        for (const int64_t kernel : {1, 3, 7}) {
          const SlidingWindow window(9, width, kernel, stride, padding);
          const int64_t outputs = window.out_height * window.out_width;
          for (int64_t first = 0; first < outputs; first += kPlaneLanes) {
            const int64_t count = std::min(kPlaneLanes, outputs - first);
            const LaneRows rows(window, first, count);
            for (int64_t t = 0; t < kernel * kernel; ++t) {
              const int64_t i = t / kernel, j = t % kernel;
              EXPECT_EQ(Pixels(window, PatchLanes(window, rows, i, j)),
                        Expected(window, i, j, first, count));
            }
          }
        }
      }
    }
  }
}

// Those in which every lane sees a pixel at every position.
TEST(LaneRowsTest, AreInsideWhereNoPositionIsInThePadding) {
  int64_t inside = 0;
  for (const int64_t padding : {0, 1, 3}) {
    for (const auto& [kernel, stride] : {std::pair(1, 2), std::pair(3, 1), std::pair(3, 2)}) {
      const SlidingWindow window(9, 70, kernel, stride, padding);
      const int64_t outputs = window.out_height * window.out_width;
      for (int64_t first = 0; first < outputs; first += kPlaneLanes) {
        const int64_t count = std::min(kPlaneLanes, outputs - first);
        const LaneRows rows(window, first, count);
        int64_t padded = 0;
        for (int64_t t = 0; t < kernel * kernel; ++t) {
          const auto pixels = Expected(window, t / kernel, t % kernel, first, count);
          padded += std::count(pixels.begin(), pixels.begin() + count, -1);
        }
        EXPECT_EQ(rows.is_inside(), padded == 0) << first;
        if (!rows.is_inside()) continue;
        ++inside;
        const PatchLanes origin(window, rows, 0, 0);
        const PatchLanes last(window, rows, kernel - 1, kernel - 1);
        ASSERT_EQ(last.size(), origin.size());
        for (int64_t s = 0; s < last.size(); ++s) {
          EXPECT_EQ(last.segments()[s].lanes, origin.segments()[s].lanes);
          EXPECT_EQ(last.segments()[s].offset,
                    origin.segments()[s].offset + (kernel - 1) * (window.width + 1));
        }
      }
    }
  }
  EXPECT_GT(inside, 10);
}

TEST(PatchLanesTest, ARowOfManyPixelsIsOneSegment) {
  const SlidingWindow window(1, 100, 1, 1, 0);
  const PatchLanes lanes(window, LaneRows(window, 32, 16), 0, 0);
  ASSERT_EQ(lanes.size(), 1);
  EXPECT_EQ(lanes.segments()[0].offset, 32);
  EXPECT_EQ(lanes.segments()[0].lanes, 0xffffu);
}

}  // namespace
}  // namespace rcnn::detection
