#include "rcnn/training/trainer/map_sizes.h"

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>

#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training {
namespace {

TEST(MapSizesTest, AreThoseOfAWholeImage) {
  for (const char* text : {"backbone { tiny { channels: 8 } } rpn {}",
                           "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 } rpn {}"}) {
    SCOPED_TRACE(text);
    configs::ModelConfig config;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
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

}  // namespace
}  // namespace rcnn::training
