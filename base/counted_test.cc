#include "rcnn/base/counted.h"

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(CountedTest, OnlyOneIsSingular) {
  EXPECT_EQ(Counted(0, "image"), "0 images");
  EXPECT_EQ(Counted(1, "image"), "1 image");
  EXPECT_EQ(Counted(2, "image"), "2 images");
  EXPECT_EQ(Counted(-1, "image"), "-1 images");
}

TEST(CountedTest, TakesAPluralOfItsOwn) {
  EXPECT_EQ(Counted(1, "box is", "boxes are"), "1 box is");
  EXPECT_EQ(Counted(12345, "box is", "boxes are"), "12345 boxes are");
}

TEST(NounTest, StandsWithoutTheCount) {
  EXPECT_EQ(Noun(1, "class", "classes"), "class");
  EXPECT_EQ(Noun(3, "class", "classes"), "classes");
  EXPECT_EQ(Noun(3, "file"), "files");
}

}  // namespace
}  // namespace rcnn
