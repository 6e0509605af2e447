#include "rcnn/training/trainer/map_sizes.h"

#include <ATen/ATen.h>

#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training {
namespace {

TEST(MapSizesTest, AreThoseOfAWholeImage) {
  for (const char* text : {"backbone { tiny { channels: 8 } } rpn {}",
                           "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 } rpn {}"}) {
    SCOPED_TRACE(text);
    const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
    const auto model = detection::FasterRcnn::Create(config, 2).value();
    detection::ResetParameters(*model, MakeGenerator({7, "map_sizes_test", 0, "weights"}));
    model->eval();
    MapSizes sizes(*model);
    for (const auto& [height, width] : {std::pair(96, 160), std::pair(97, 131)}) {
      const auto maps = model->Features(at::zeros({1, 3, height, width})).levels;
      ASSERT_EQ(sizes.Heights(height).size(), maps.size());
      ASSERT_EQ(sizes.Widths(width).size(), maps.size());
      for (size_t level = 0; level < maps.size(); ++level) {
        EXPECT_EQ(sizes.Heights(height)[level], maps[level].size(2)) << level;
        EXPECT_EQ(sizes.Widths(width)[level], maps[level].size(3)) << level;
      }
    }
  }
}

// Also in training, without a change of the norms' statistics.
TEST(MapSizesTest, TrainedNormsKeepTheirStatistics) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } fpn { channels: 8 } rpn {}");
  const auto model = detection::FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, MakeGenerator({7, "map_sizes_test", 1, "weights"}));
  model->train();
  std::vector<at::Tensor> before;
  for (const at::Tensor& buffer : model->buffers()) {
    before.push_back(buffer.defined() ? buffer.clone() : buffer);
  }
  MapSizes sizes(*model);
  const detection::MapExtents extents = sizes.Extents({96, 160});
  const std::vector<at::Tensor> after = model->buffers();
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(!after[i].defined() || at::equal(after[i], before[i])) << i;
  }
  EXPECT_EQ(extents.image.width, 160);
  const auto maps = model->Features(at::ones({1, 3, 96, 160})).levels;
  ASSERT_EQ(extents.levels.size(), maps.size());
  for (size_t level = 0; level < maps.size(); ++level) {
    EXPECT_EQ(extents.levels[level].height, maps[level].size(2)) << level;
    EXPECT_EQ(extents.levels[level].width, maps[level].size(3)) << level;
  }
  // The norms train again.
  EXPECT_FALSE(at::equal(model->buffers()[0], before[0]));
}

// Autocast keeps none of the weights that it converts for the strips, which have no gradient.
TEST(MapSizesTest, WeightsLearnInTheSameStep) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const auto config =
      configs::ParseTextOrDie<configs::ModelConfig>("backbone { tiny { channels: 8 } } rpn {}");
  const auto model = detection::FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, MakeGenerator({7, "map_sizes_test", 2, "weights"}));
  MapSizes sizes(*model);
  const auto step = [&] {
    const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
    sizes.Extents({96, 160});
    return model->Features(at::ones({1, 3, 96, 160})).levels.front().sum();
  };
  step().backward();
  for (const at::Tensor& parameter : model->backbone()->parameters()) {
    EXPECT_TRUE(!parameter.defined() || parameter.grad().defined());
  }
}

}  // namespace
}  // namespace rcnn::training
