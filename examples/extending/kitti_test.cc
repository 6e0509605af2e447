#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/sources/make_dataset.h"

namespace rcnn::examples {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KittiTest : public ::testing::Test {
 protected:
  KittiTest() : root_(absl::StrCat(testing::TempDir(), "/kitti")) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/label_2");
    std::filesystem::create_directories(root_ + "/image_2");
    config_.mutable_registered()->set_name("kitti");
    config_.mutable_paths()->set_annotations("label_2");
    config_.mutable_paths()->set_images("image_2");
    Put("image_2/000000.png", data::EncodePng(data::Image(375, 1242)).value());
  }

  void Put(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFileAtomically(absl::StrCat(root_, "/", name), bytes), IsOk());
  }

  absl::StatusOr<std::unique_ptr<data::Dataset>> Open() const {
    return data::MakeDataset(config_, {.data_root = root_});
  }

  const std::string root_;
  configs::DatasetConfig config_;
};

TEST_F(KittiTest, ReadsTheBoxesOfEachImage) {
  Put("label_2/000000.txt",
      "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57\n"
      "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n"
      "Cyclist 0.00 3 -1.65 676.60 163.95 688.98 193.93 1.86 0.60 2.02 4.59 1.32 45.84 -1.55\n");
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  ASSERT_EQ((*dataset)->size(), 1);
  EXPECT_THAT((*dataset)->classes().names, ElementsAre("Car", "Cyclist"));
  const auto objects = (*dataset)->objects(0);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_NEAR(objects[0].xywh[0], 387.63, 1e-9);
  EXPECT_NEAR(objects[0].xywh[2], 36.18, 1e-9);
  EXPECT_TRUE((*dataset)->defects().empty());
}

TEST_F(KittiTest, ALineThatIsNotAnObjectIsADefectByName) {
  Put("label_2/000000.txt", "Car 0 0 0 10 10 60 50\nCar 0 0 0 ten 10 60 50\n");
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ((*dataset)->objects(0).size(), 1u);
  EXPECT_FALSE((*dataset)->defects().empty());
}

TEST_F(KittiTest, AnUnknownFormatListsTheKnownOnes) {
  config_.mutable_registered()->set_name("waymo");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("registered: kitti")));
}

}  // namespace
}  // namespace rcnn::examples
