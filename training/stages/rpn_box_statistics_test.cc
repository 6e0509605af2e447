#include "rcnn/training/stages/rpn_box_statistics.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/module_state.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;

std::shared_ptr<FasterRcnn> Model(const std::string& backbone,
                                  const std::string& anchors = "anchors { size_px: [32, 64] }") {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { " + backbone + " } rpn { " + anchors +
      " targets { box_normalization: MEASURED max_overhang_px: 0 } }");
  auto model = FasterRcnn::Create(config, 3).value();
  detection::ResetParameters(*model, MakeGenerator({3, "test", 0, "weights"}));
  model->train();
  return model;
}

std::unique_ptr<data::Dataset> Shapes(int count) {
  auto config = configs::ParseTextOrDie<configs::DatasetConfig>(
      "shapes { seed: 5 num_classes: 3 width_px: 150 height_px: 90 }");
  config.mutable_shapes()->set_num_images(count);
  return data::MakeDataset(config, {}).value();
}

configs::TransformConfig Transform(const std::string& more) {
  return configs::ParseTextOrDie<configs::TransformConfig>("resize { shortest_side_px: 70 } " +
                                                           more);
}

// Targets of one image, with the maps of the whole network on the whole image.
at::Tensor Targets(const FasterRcnn& model, const data::Dataset& dataset, int64_t index,
                   const data::SampleTransform& transform, int64_t multiple) {
  const auto up = [&](int64_t side) { return (side + multiple - 1) / multiple * multiple; };
  const int64_t height = up(transform.height), width = up(transform.width);
  std::vector<at::Tensor> boxes;
  for (const data::Object& object : dataset.objects(index)) {
    const data::Box box = transform.Apply(object.box, dataset.image(index), false);
    boxes.push_back(at::tensor({box.x1, box.y1, box.x2, box.y2}));
  }
  const int64_t count = static_cast<int64_t>(boxes.size());
  return model.rpn()->PositiveBoxTargets(
      model.Features(at::zeros({1, 3, height, width})).levels, height, width,
      {{static_cast<float>(transform.height), static_cast<float>(transform.width),
        static_cast<float>(transform.scale_y)}},
      {{at::stack(boxes), at::ones({count}, at::kLong), at::Tensor()}});
}

void ExpectMeasured(const FasterRcnn& model, const data::Dataset& dataset,
                    const configs::TransformConfig& config, const RpnBoxStatistics& found) {
  std::vector<at::Tensor> all;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    auto transform = data::EvaluationTransform(config, dataset.image(i)).value();
    for (const bool upside_down : {false, true}) {
      for (const bool flipped : {false, true}) {
        if (flipped && config.flip() == configs::TransformConfig::NEVER) continue;
        if (upside_down && !config.flip_vertically()) continue;
        transform.flipped = flipped;
        transform.flipped_vertically = upside_down;
        all.push_back(Targets(model, dataset, i, transform, config.pad_to_multiple_px()));
      }
    }
  }
  const at::Tensor targets = at::cat(all).to(at::kDouble);
  ASSERT_GT(targets.size(0), 20);
  EXPECT_TRUE(at::allclose(found.mean.to(at::kDouble), targets.mean(0), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(found.std.to(at::kDouble), targets.std(0, /*unbiased=*/false), 1e-5));
}

TEST(RpnBoxStatisticsTest, MeanAndDeviationOfAllPositiveAnchors) {
  const auto dataset = Shapes(6);
  for (const char* backbone :
       {"vgg16 {}", "zf {}", "vgg_cnn_m_1024 {}", "resnet { depth: RESNET_18 }"}) {
    SCOPED_TRACE(backbone);
    const auto model = Model(backbone);
    const auto transform = Transform("");
    ExpectMeasured(*model, *dataset, transform,
                   MeasureRpnBoxTargets(*model, *dataset, transform).value());
  }
}

TEST(RpnBoxStatisticsTest, MirrorImagesAndPaddingCount) {
  const auto dataset = Shapes(6);
  const auto model = Model("tiny { channels: 8 }");
  for (const char* more : {"flip: DOUBLE_DATASET", "flip: AT_RANDOM pad_to_multiple_px: 64",
                           "flip_vertically: true", "flip: AT_RANDOM flip_vertically: true"}) {
    SCOPED_TRACE(more);
    const auto transform = Transform(more);
    ExpectMeasured(*model, *dataset, transform,
                   MeasureRpnBoxTargets(*model, *dataset, transform).value());
  }
}

TEST(RpnBoxStatisticsTest, ModelIsUnchanged) {
  const auto model = Model("resnet { depth: RESNET_18 norm { batch_norm {} } }");
  std::vector<at::Tensor> before;
  for (const auto& entry : detection::weights::ModuleState(*model)) {
    before.push_back(entry.tensor.clone());
  }
  ASSERT_THAT(MeasureRpnBoxTargets(*model, *Shapes(2), Transform("")), IsOk());
  size_t i = 0;
  for (const auto& entry : detection::weights::ModuleState(*model)) {
    EXPECT_TRUE(at::equal(entry.tensor, before[i++])) << entry.name;
  }
  EXPECT_TRUE(model->is_training());
}

TEST(RpnBoxStatisticsTest, WithoutPositiveAnchorsNothingIsNormalised) {
  // No anchor fits into an image.
  const auto model = Model("tiny { channels: 8 }", "anchors { size_px: 512 }");
  const auto found = MeasureRpnBoxTargets(*model, *Shapes(2), Transform("")).value();
  EXPECT_TRUE(at::equal(found.mean, at::zeros({4})));
  EXPECT_TRUE(at::equal(found.std, at::ones({4})));
}

}  // namespace
}  // namespace rcnn::training
