#include "rcnn/training/stages/exif_applied.h"

#include <optional>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::training {
namespace {

// Two upright images and one of this orientation.
std::optional<bool> Find(const std::string& text, data::Orientation orientation, bool applied) {
  const auto config = configs::ParseTextOrDie<configs::DatasetConfig>(text);
  data::AnnotationTable table;
  for (const auto each : {data::Orientation::kUpright, data::Orientation::kUpright, orientation}) {
    data::ImageInfo info;
    info.orientation = each;
    info.exif_applied = applied && each != data::Orientation::kUpright;
    table.AddImage(std::move(info));
  }
  return FindExifApplied(config, data::FileDataset(std::move(table), data::DecodeOptions()));
}

TEST(ExifApplied, IsUnknownIfNobodySays) {
  EXPECT_EQ(Find("voc {}", data::Orientation::kHalfTurn, false), std::nullopt);
  EXPECT_EQ(Find("concat { parts { voc {} } }", data::Orientation::kHalfTurn, false), std::nullopt);
}

TEST(ExifApplied, IsWhatTheConfigSays) {
  EXPECT_EQ(Find("voc {} exif_orientation: APPLIED", data::Orientation::kHalfTurn, true), true);
  EXPECT_EQ(Find("voc {} exif_orientation: NOT_APPLIED", data::Orientation::kHalfTurn, false),
            false);
  EXPECT_EQ(Find("voc {} exif_orientation: NOT_APPLIED", data::Orientation::kUpright, false),
            false);
  EXPECT_EQ(Find("concat { parts { voc {} exif_orientation: NOT_APPLIED } }",
                 data::Orientation::kUpright, false),
            false);
}

TEST(ExifApplied, IsWhatTheSizesTold) {
  const std::string config = "voc {} exif_orientation: FROM_ANNOTATED_SIZES";
  EXPECT_EQ(Find(config, data::Orientation::kTransposed, true), true);
  EXPECT_EQ(Find(config, data::Orientation::kTransposed, false), false);
  EXPECT_EQ(Find(config, data::Orientation::kUpright, false), std::nullopt);
}

TEST(ExifApplied, IsWhatTheImagesOfShardsSay) {
  EXPECT_EQ(Find("shards {}", data::Orientation::kTransposed, true), true);
  EXPECT_EQ(Find("shards {}", data::Orientation::kTransposed, false), false);
  EXPECT_EQ(Find("shards {}", data::Orientation::kUpright, false), std::nullopt);
}

}  // namespace
}  // namespace rcnn::training
