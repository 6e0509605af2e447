#include "rcnn/training/testing/inference_cases.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training::testing {

using detection::FasterRcnn;

std::shared_ptr<FasterRcnn> InferenceModel(uint64_t seed, const std::string& config) {
  auto model = FasterRcnn::Create(configs::ParseTextOrDie<configs::ModelConfig>(config), 2).value();
  detection::ResetParameters(*model, MakeGenerator({seed, "inference_test", 0, "weights"}));
  at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (item.key().find("cls_score.weight") != std::string::npos) item.value().mul_(100);
    if (item.key().find("bbox_pred.weight") != std::string::npos) item.value().mul_(30);
  }
  model->eval();
  return model;
}

std::shared_ptr<const data::Dataset> SmallShapes(int64_t count) {
  auto config = configs::ParseTextOrDie<configs::ShapesConfig>(
      "seed: 1 num_classes: 2 width_px: 64 height_px: 48 min_diameter_px: 16 max_diameter_px: 32");
  config.set_num_images(count);
  return data::ShapesDataset::Create(config).value();
}

InferenceOptions MakeOptions(const std::string& transform) {
  InferenceOptions options;
  options.transform = configs::ParseTextOrDie<configs::TransformConfig>(transform);
  options.loader.set_workers(1);
  return options;
}

std::shared_ptr<data::testing::FakeDataset> MixedSizes() {
  return std::make_shared<data::testing::FakeDataset>(std::vector<data::testing::FakeImage>{
      {64, 48}, {48, 64}, {64, 48}, {64, 48}, {40, 40}, {48, 64}, {64, 48}, {64, 48}, {48, 64}});
}

void ExpectSame(const eval::Detections& a, const eval::Detections& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 0);
  for (int64_t i = 0; i < a.size(); ++i) {
    double nearest = 1e9;
    for (int64_t k = 0; k < b.size(); ++k) {
      if (a[i].image_id != b[k].image_id || a[i].category_id != b[k].category_id) continue;
      const eval::XywhBox x = a[i].box, y = b[k].box;
      nearest =
          std::min(nearest, std::max({100 * std::abs(a[i].score - b[k].score), std::abs(x.x - y.x),
                                      std::abs(x.y - y.y), std::abs(x.width - y.width),
                                      std::abs(x.height - y.height)}));
    }
    EXPECT_LE(nearest, tolerance) << i;
  }
}

void ExpectSameScores(const InferredProposals& a, const InferredProposals& b, double tolerance) {
  ASSERT_EQ(a.scores.size(), b.scores.size());
  ASSERT_EQ(a.boxes.size(), a.scores.size());
  for (size_t i = 0; i < a.scores.size(); ++i)
    EXPECT_NEAR(a.scores[i], b.scores[i], tolerance) << i;
}

}  // namespace rcnn::training::testing
