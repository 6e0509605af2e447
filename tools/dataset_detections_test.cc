#include "rcnn/tools/dataset_detections.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/eval/coco_ground_truth.h"

namespace rcnn::tools {
namespace {

using ::testing::HasSubstr;

constexpr char kImages[] = "eval/testdata/shapes/images";

// Random weights, scaled so that some scores pass the threshold.
std::unique_ptr<detection::Detector> MakeDetector(const std::string& last_class = "triangle") {
  auto config = configs::ParseTextOrDie<configs::DetectorConfig>(R"pb(
    model {
      backbone { tiny { channels: 8 } }
      rpn {
        anchors { size_px: [ 32 ] }
        channels: 16
        test_proposals { after_nms: 50 }
      }
      head {
        fc { fc_channels: [ 16 ] }
        detections { min_score: 0.3 max_per_image: 12 }
      }
      normalization {
        mean: [ 127, 127, 127 ]
        std: [ 60, 60, 60 ]
      }
    }
    class_name: [ "square", "disc" ]
    input { shortest_side_px: 128 longest_side_px: 160 })pb");
  config.add_class_name(last_class);
  auto model = detection::FasterRcnn::Create(config.model(), 3).value();
  detection::ResetParameters(*model, at::detail::createCPUGenerator(5));
  at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (absl::EndsWith(item.key(), "cls_score.weight")) item.value().mul_(300);
  }
  return detection::Detector::Create(config, detection::SavedState(*model)).value();
}

eval::GroundTruth Truth() {
  return eval::ReadCocoGroundTruth("eval/testdata/shapes/instances.json").value();
}

TEST(DatasetDetectionsTest, HaveTheIdsOfTheDataset) {
  const auto detector = MakeDetector();
  const eval::GroundTruth truth = Truth();
  const auto all = DetectDataset(*detector, truth, kImages);
  ASSERT_THAT(all, IsOk());
  int64_t row = 0;
  for (const eval::GroundTruthImage& image : truth.images) {
    const data::Image decoded = data::ReadImage(std::string(kImages) + "/" + image.file).value();
    const at::Tensor pixels = at::from_blob(const_cast<uint8_t*>(decoded.data()),
                                            {decoded.height(), decoded.width(), 3}, at::kByte);
    const detection::Detections found = detector->Detect(pixels).value();
    for (int64_t i = 0; i < found.labels.size(0); ++i, ++row) {
      ASSERT_LT(row, all->size());
      const eval::Detection one = (*all)[row];
      EXPECT_EQ(one.image_id, image.id);
      const auto& category = truth.categories[truth.CategoryIndex(
          detector->class_names()[found.labels[i].item<int64_t>() - 1])];
      EXPECT_EQ(one.category_id, category.id);
      EXPECT_EQ(one.score, found.scores[i].item<float>());
      EXPECT_EQ(one.box.x, found.boxes[i][0].item<float>());
      EXPECT_NEAR(one.box.x + one.box.width, found.boxes[i][2].item<float>(), 1e-9);
      EXPECT_NEAR(one.box.y + one.box.height, found.boxes[i][3].item<float>(), 1e-9);
    }
  }
  EXPECT_EQ(row, all->size());
  EXPECT_GT(row, 5) << "too few detections to say anything";
  EXPECT_THAT(eval::ValidateDetections(*all, truth), IsOk());
}

TEST(DatasetDetectionsTest, NamesAClassThatIsNotACategory) {
  const auto found = DetectDataset(*MakeDetector("hexagon"), Truth(), kImages);
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'hexagon'")));
}

TEST(DatasetDetectionsTest, NamesAMissingImage) {
  eval::GroundTruth truth = Truth();
  truth.images[2].file = "shapes_77.png";
  EXPECT_THAT(DetectDataset(*MakeDetector(), truth, kImages),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("shapes_77.png")));
  truth.images[2].file = "../shapes/images/shapes_1.png";
  EXPECT_THAT(DetectDataset(*MakeDetector(), truth, kImages),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(DatasetDetectionsTest, WithoutAFolderNamesArePaths) {
  eval::GroundTruth truth = Truth();
  const auto expected = DetectDataset(*MakeDetector(), truth, kImages);
  for (eval::GroundTruthImage& image : truth.images) {
    image.file = std::string(kImages) + "/" + image.file;
  }
  const auto found = DetectDataset(*MakeDetector(), truth, "");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->scores, expected->scores);
}

}  // namespace
}  // namespace rcnn::tools
