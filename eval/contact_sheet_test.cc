#include "rcnn/eval/contact_sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "rcnn/data/decode_image.h"
#include "rcnn/data/shapes_dataset.h"
#include "rcnn/eval/coco_ground_truth.h"
#include "rcnn/eval/detections_reader.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

TEST(ContactSheetTest, HasRoomForAnyNumberOfTiles) {
  const cv::Mat picture(120, 160, CV_8UC3, cv::Scalar(0, 0, 255));
  cv::Size last;
  for (int count : {0, 1, 2, 3, 7, 12, 13}) {
    const std::vector<Tile> tiles(count, {picture, std::string(300, 'n'), "2 missed"});
    const cv::Mat sheet = ContactSheet("title", tiles);
    EXPECT_GE(sheet.cols, last.width) << count;
    last = sheet.size();
  }
}

class WriteWorstImagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto truth = ReadCocoGroundTruth("eval/testdata/shapes/instances.json");
    ASSERT_TRUE(truth.ok()) << truth.status();
    truth_ = *std::move(truth);
    auto detections = ReadDetections("eval/testdata/shapes/detections.json");
    ASSERT_TRUE(detections.ok()) << detections.status();
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

TEST_F(WriteWorstImagesTest, WritesPicturesAndTheSheet) {
  ASSERT_TRUE(Write("eval/testdata/shapes/images").ok());
  const auto sheet = data::ReadImage(out_ + "/contact_sheet.jpg");
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_GT(sheet->width(), 1000);
}

TEST_F(WriteWorstImagesTest, NamesAMissingPictureAndRefusesToLeaveTheFolder) {
  EXPECT_THAT(std::string(Write("eval/testdata").message()), HasSubstr("shapes_"));
  for (GroundTruthImage& image : truth_.images) image.file = "../" + image.file;
  EXPECT_FALSE(Write("eval/testdata/shapes/images").ok());
  for (GroundTruthImage& image : truth_.images) image.file = "";
  EXPECT_THAT(std::string(Write("eval/testdata/shapes/images").message()),
              HasSubstr("no file_name"));
}

TEST_F(WriteWorstImagesTest, WithoutErrorsThereIsASheetThatSaysSo) {
  truth_.annotations.clear();
  detections_ = {};
  ASSERT_TRUE(Write("eval/testdata/shapes/images").ok());
  EXPECT_TRUE(data::ReadImage(out_ + "/contact_sheet.jpg").ok());
}

TEST(WriteSampleSheetTest, DrawsPicturesThatHaveNoFile) {
  configs::ShapesConfig config;
  config.set_num_images(30);
  const auto dataset = data::ShapesDataset::Create(config);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const std::string path = absl::StrCat(::testing::TempDir(), "/sheet.jpg");
  ASSERT_TRUE(WriteSampleSheet(**dataset, {}, path).ok());
  const auto sheet = data::ReadImage(path);
  ASSERT_TRUE(sheet.ok()) << sheet.status();
  EXPECT_GT(sheet->width(), 2000);
}

}  // namespace
}  // namespace rcnn::eval
