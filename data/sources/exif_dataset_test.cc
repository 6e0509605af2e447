// Datasets of turned images, from files to pixels: what lies below a box is the same
// whatever the tool that annotated it showed.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// 24 x 16: red is 10 x, green 15 y, blue 40.
constexpr const char* kImages[] = {"whole.jpg", "whole.png", "whole.webp"};
constexpr std::array<double, 4> kBox = {14, 2, 6, 4};

class ExifDatasetTest : public testing::Test {
 protected:
  ExifDatasetTest() {
    EXPECT_THAT(CreateDirectories(folder_ + "/Annotations"), IsOk());
    EXPECT_THAT(CreateDirectories(folder_ + "/JPEGImages"), IsOk());
  }

  void Write(const std::string& file, absl::string_view bytes) {
    ASSERT_THAT(WriteFileAtomically(absl::StrCat(folder_, "/", file), bytes).status(), IsOk());
  }

  // `stem`.EXTENSION and its annotation, made by a tool that shows the image turned or not.
  void WriteVocImage(const std::string& stem, const std::string& image, int orientation,
                     bool annotated_turned) {
    const std::string bytes = ReadFile("data/image/testdata/" + image).value();
    const std::string name = stem + image.substr(image.find('.'));
    Write("JPEGImages/" + name, WithExif(bytes, OrientationTiff(orientation)));
    const auto turn = static_cast<Orientation>(orientation);
    const bool swapped = annotated_turned && SwapsSides(turn);
    const auto [x, y, width, height] = annotated_turned ? TurnBox(kBox, turn, 24, 16) : kBox;
    Write(absl::StrCat("Annotations/", stem, ".xml"),
          absl::StrCat("<annotation><size><width>", swapped ? 16 : 24, "</width><height>",
                       swapped ? 24 : 16, "</height></size><object><name>spot</name><bndbox><xmin>",
                       x + 1, "</xmin><ymin>", y + 1, "</ymin><xmax>", x + width, "</xmax><ymax>",
                       y + height, "</ymax></bndbox></object></annotation>"));
    WriteCoco(name, swapped ? 16 : 24, swapped ? 24 : 16, {x, y, width, height});
  }

  void WriteCoco(const std::string& name, int width, int height, std::array<double, 4> box) {
    Write("instances.json",
          absl::StrCat("{\"images\": [{\"id\": 1, \"file_name\": \"", name,
                       "\", \"width\": ", width, ", \"height\": ", height,
                       "}], \"categories\": [{\"id\": 1, \"name\": \"spot\"}], \"annotations\": "
                       "[{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [",
                       box[0], ", ", box[1], ", ", box[2], ", ", box[3],
                       "], \"area\": 24, \"iscrowd\": 0}]}"));
  }

  std::unique_ptr<Dataset> Open(const std::string& fields, bool voc = true) {
    const auto config = ParseDatasetConfig(
        absl::StrCat(voc ? "voc {} paths { folder: \"" : "coco {} paths { annotations: \"", folder_,
                     voc ? "\" } " : "/instances.json\" images: \"" + folder_ + "/JPEGImages\" } ",
                     fields),
        "test");
    EXPECT_THAT(config, IsOk());
    absl::StatusOr<std::unique_ptr<Dataset>> dataset = MakeDataset(*config, {});
    EXPECT_THAT(dataset, IsOk());
    return dataset.ok() ? *std::move(dataset) : nullptr;
  }

  // The middle of the only object shows what lies there in the image as stored.
  static void ExpectSpotBelowBox(const Dataset& dataset, const std::string& what) {
    ASSERT_EQ(dataset.size(), 1);
    const absl::StatusOr<Sample> sample = dataset.Load(0);
    ASSERT_THAT(sample, IsOk()) << what;
    ASSERT_EQ(sample->objects.size(), 1u) << what;
    const auto [x, y, width, height] = sample->objects[0].xywh;
    const auto row = static_cast<int64_t>(y + height / 2);
    const auto column = static_cast<int64_t>(x + width / 2);
    const uint8_t* pixel = sample->image->row(row) + 3 * column;
    // The pixel whose corner is the middle of kBox, or one beside it; JPEG's own error.
    EXPECT_NEAR(pixel[0], 10 * 16.5, 5 + 13) << what;
    EXPECT_NEAR(pixel[1], 15 * 3.5, 7.5 + 13) << what;
    EXPECT_EQ(dataset.defects().total(), 0) << dataset.defects().ToString(5);
  }

  const std::string folder_ = FreshDirectory();
};

TEST_F(ExifDatasetTest, BoxesLieOnTheirObjectsWhateverTheToolShowed) {
  for (const char* image : kImages) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      for (const bool turned : {false, true}) {
        WriteVocImage("a", image, orientation, turned);
        const std::string rule =
            turned ? "exif_orientation: APPLIED" : "exif_orientation: NOT_APPLIED";
        for (const bool voc : {true, false}) {
          ExpectSpotBelowBox(*Open(rule, voc), absl::StrCat(image, " ", orientation, " ", rule));
          if (!SwapsSides(static_cast<Orientation>(orientation))) continue;
          ExpectSpotBelowBox(*Open("exif_orientation: FROM_ANNOTATED_SIZES", voc),
                             absl::StrCat(image, " ", orientation, " from sizes"));
        }
        std::filesystem::remove_all(folder_ + "/JPEGImages");
        ASSERT_THAT(CreateDirectories(folder_ + "/JPEGImages"), IsOk());
      }
    }
  }
}

// As stored, with a notice.
TEST_F(ExifDatasetTest, WithoutAFieldBoxesAreOfTheImageAsStoredAndANoticeNamesIt) {
  WriteVocImage("a", "whole.jpg", 6, /*annotated_turned=*/false);
  const std::unique_ptr<Dataset> dataset = Open("");
  ExpectSpotBelowBox(*dataset, "default");
  ASSERT_EQ(dataset->defects().notices().size(), 1u);
  EXPECT_THAT(dataset->defects().notices()[0],
              AllOf(HasSubstr("1 image has an EXIF orientation"), HasSubstr("exif_orientation")));
  EXPECT_THAT(Open("exif_orientation: NOT_APPLIED")->defects().notices(), IsEmpty());
  EXPECT_EQ(Open("exif_orientation: NOT_APPLIED")->fingerprint(), dataset->fingerprint());
}

TEST_F(ExifDatasetTest, TurnedImagesAreAnotherDataset) {
  WriteVocImage("a", "whole.jpg", 3, /*annotated_turned=*/false);
  EXPECT_NE(Open("exif_orientation: APPLIED")->fingerprint(), Open("")->fingerprint());
}

// Tools that write COCO differ, so a half turn alone cannot be decided; VOC's do not.
TEST_F(ExifDatasetTest, AHalfTurnThatCannotBeDecidedIsADefectByName) {
  WriteVocImage("a", "whole.png", 3, /*annotated_turned=*/false);
  const auto config = ParseDatasetConfig(
      absl::StrCat("coco {} paths { annotations: \"", folder_, "/instances.json\" images: \"",
                   folder_, "/JPEGImages\" } exif_orientation: FROM_ANNOTATED_SIZES"),
      "test");
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(MakeDataset(*config, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a.png: undecided EXIF orientation: half turn: image dropped")));
  ExpectSpotBelowBox(*Open("exif_orientation: FROM_ANNOTATED_SIZES"), "VOC");
}

}  // namespace
}  // namespace rcnn::data
