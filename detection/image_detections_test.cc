// The detections of each image against those of the head for its RoIs alone. More of them, on
// devices too: faster_rcnn_test.cc.

#include "rcnn/detection/image_detections.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kClasses = 2;

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

std::shared_ptr<FastRcnnHead> Head(const std::string& detections) {
  const auto config = configs::ParseTextOrDie<configs::HeadConfig>(
      absl::StrCat("fc { fc_channels: 4 } detections { ", detections, " }"));
  configs::BackboneConfig backbone;
  backbone.mutable_zf();
  auto head = FastRcnnHead::Create(config, backbone, {{4, 16}}, kClasses).value();
  head->eval();
  return head;
}

// RoIs of two images in turn, and of none.
struct Case {
  InputSizes sizes = {{96, 128, 2}, {60, 120, 1.5f}};
  std::vector<ops::ImageSize> originals = {{48, 64}, {40, 80}};
  at::Tensor rois = MakeRois();
  HeadOutput output = {at::randn({60, kClasses + 1}, Generator(3)) * 2,
                       at::randn({60, 4 * (kClasses + 1)}, Generator(4)) * 0.1};

  static at::Tensor MakeRois() {
    const at::Tensor image = at::arange(60, at::kLong).remainder(3).sub(1).to(at::kFloat);
    const at::Tensor corner = at::rand({60, 2}, Generator(1)) * 40;
    const at::Tensor side = at::rand({60, 2}, Generator(2)) * 30 + 10;
    return at::cat({image.unsqueeze(1), corner, corner + side}, 1);
  }

  // By the head, for the RoIs of the image alone.
  Detections DetectAlone(const FastRcnnHead& head, int64_t image, double divisor,
                         const ops::ImageSize& frame) const {
    const at::Tensor rows = rois.select(1, 0).eq(image).nonzero().squeeze(1);
    return head.Detect({output.logits.index_select(0, rows), output.deltas.index_select(0, rows)},
                       rois.index_select(0, rows).slice(1, 1).contiguous() / divisor, frame);
  }
};

TEST(DetectEachTest, BoxesAreScaledToTheStoredImage) {
  const auto head = Head("min_score: 0.1");
  const Case c;
  const std::vector<Detections> found = DetectEach(*head, c.output, c.rois, c.sizes, c.originals);
  ASSERT_EQ(found.size(), 2u);
  for (int64_t b = 0; b < 2; ++b) {
    const auto i = static_cast<size_t>(b);
    const Detections alone = c.DetectAlone(
        *head, b, 1,
        {static_cast<int64_t>(c.sizes[i].height), static_cast<int64_t>(c.sizes[i].width)});
    EXPECT_GT(alone.scores.size(0), 1);
    EXPECT_TRUE(found[i].scores.equal(alone.scores)) << b;
    EXPECT_TRUE(found[i].labels.equal(alone.labels)) << b;
    const double scale = b == 0 ? 2 : 1.5;
    EXPECT_TRUE(at::allclose(found[i].boxes * scale, alone.boxes, 1e-5, 1e-4)) << b;
    EXPECT_TRUE(at::allclose(ToInputPixels(found[i].boxes, c.sizes[i], c.originals[i]), alone.boxes,
                             1e-5, 1e-4))
        << b;
  }
}

TEST(DetectEachTest, BoxesMayBeDecodedInPixelsOfTheStoredImage) {
  const auto head = Head("min_score: 0.1 decode_in_original_pixels: true");
  const Case c;
  const std::vector<Detections> found = DetectEach(*head, c.output, c.rois, c.sizes, c.originals);
  const Detections alone = c.DetectAlone(*head, 1, 1.5, c.originals[1]);
  EXPECT_TRUE(found[1].boxes.equal(alone.boxes));
  EXPECT_TRUE(found[1].scores.equal(alone.scores));
}

TEST(SelectsOnDeviceTest, NotOnTheCpuNorWithVotesNorForTooMany) {
  const c10::Device far = ops::testing::QueueDevice();
  const auto head = Head(""), voting = Head("voting_iou: 0.5");
  EXPECT_TRUE(SelectsOnDevice(*head, far, 1000));
  EXPECT_FALSE(SelectsOnDevice(*head, at::kCPU, 1000));
  EXPECT_FALSE(SelectsOnDevice(*voting, far, 1000));
  EXPECT_FALSE(SelectsOnDevice(*head, far, int64_t{2} << 20));
}

}  // namespace
}  // namespace rcnn::detection
