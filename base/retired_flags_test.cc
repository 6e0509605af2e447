#include "rcnn/base/retired_flags.h"

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(RetiredFlagsTest, NamesTheNewName) {
  EXPECT_EQ(RenamedFlag("pictures"), "worst_images");
  EXPECT_EQ(RenamedFlag("num_pictures"), "num_worst_images");
  EXPECT_EQ(RenamedFlag("picture_score"), "worst_images_score");
  EXPECT_EQ(RenamedFlag("picture"), "image");
}

TEST(RetiredFlagsTest, IsEmptyForOtherNames) {
  EXPECT_EQ(RenamedFlag(""), "");
  EXPECT_EQ(RenamedFlag("worst_images"), "");
  EXPECT_EQ(RenamedFlag("picture_"), "");
}

}  // namespace
}  // namespace rcnn
