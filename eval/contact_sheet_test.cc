#include "rcnn/eval/contact_sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/eval/coco_ground_truth.h"
#include "rcnn/eval/detections_reader.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

TEST(ContactSheetTest, HasRoomForAnyNumberOfTiles) {
  const cv::Mat image(120, 160, CV_8UC3, cv::Scalar(0, 0, 255));
  cv::Size last;
  for (int count : {0, 1, 2, 3, 7, 12, 13}) {
    const std::vector<Tile> tiles(count, {image, std::string(300, 'n'), "2 missed"});
    const cv::Mat sheet = ContactSheet("title", tiles);
    EXPECT_GE(sheet.cols, last.width) << count;
    last = sheet.size();
  }
}

class WriteWorstImagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto truth = ReadCocoGroundTruth("eval/testdata/shapes/instances.json");
    ASSERT_THAT(truth, IsOk());
    truth_ = *std::move(truth);
    auto detections = ReadDetections("eval/testdata/shapes/detections.json");
    ASSERT_THAT(detections, IsOk());
    detections_ = *std::move(detections);
  }

  absl::Status Write(const std::string& images) {
    return WriteWorstImages(truth_, detections_,
                            {.images_folder = images, .out_folder = out_, .count = 2});
  }

  GroundTruth truth_;
  Detections detections_;
  const std::string out_ = absl::StrCat(::testing::TempDir(), "/worst");
};

TEST_F(WriteWorstImagesTest, WritesImagesAndTheSheet) {
  ASSERT_THAT(Write("eval/testdata/shapes/images"), IsOk());
  const auto sheet = data::ReadImage(out_ + "/contact_sheet.jpg");
  ASSERT_THAT(sheet, IsOk());
  EXPECT_GT(sheet->width(), 1000);
}

TEST_F(WriteWorstImagesTest, NamesAMissingImageAndRejectsPathsOutsideTheFolder) {
  EXPECT_THAT(Write("eval/testdata"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("shapes_")));
  for (GroundTruthImage& image : truth_.images) image.file = "../" + image.file;
  EXPECT_THAT(Write("eval/testdata/shapes/images"), ::testing::Not(IsOk()));
  for (GroundTruthImage& image : truth_.images) image.file = "";
  EXPECT_THAT(Write("eval/testdata/shapes/images"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no file_name")));
}

TEST_F(WriteWorstImagesTest, WithoutErrorsTheSheetSaysSo) {
  truth_.annotations.clear();
  detections_ = {};
  ASSERT_THAT(Write("eval/testdata/shapes/images"), IsOk());
  EXPECT_THAT(data::ReadImage(out_ + "/contact_sheet.jpg"), IsOk());
}

TEST(WriteSampleSheetTest, DrawsImagesThatHaveNoFile) {
  configs::ShapesConfig config;
  config.set_num_images(30);
  const auto dataset = data::ShapesDataset::Create(config);
  ASSERT_THAT(dataset, IsOk());
  const std::string path = absl::StrCat(::testing::TempDir(), "/sheet.jpg");
  ASSERT_THAT(WriteSampleSheet(**dataset, {}, path), IsOk());
  const auto sheet = data::ReadImage(path);
  ASSERT_THAT(sheet, IsOk());
  EXPECT_GT(sheet->width(), 2000);
}

}  // namespace
}  // namespace rcnn::eval
