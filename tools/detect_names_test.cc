#include "rcnn/tools/detect_names.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NamesOfTest, NamesAreRelativeToTheCommonFolder) {
  EXPECT_THAT(ListNames({}), IsEmpty());
  EXPECT_THAT(ListNames({"in/a.jpg"}), ElementsAre("a.jpg"));
  EXPECT_THAT(ListNames({"in/a.jpg", "in/sub/b.jpg"}), ElementsAre("a.jpg", "sub/b.jpg"));
  EXPECT_THAT(ListNames({"x/in/a.jpg", "x/inner/a.jpg"}), ElementsAre("in/a.jpg", "inner/a.jpg"));
  EXPECT_THAT(ListNames({"/1/a.jpg", "/2/a.jpg"}), ElementsAre("1/a.jpg", "2/a.jpg"));
}

TEST(NamesOfTest, RelativeAndAbsolutePathsAreCombined) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_THAT(ListNames({"./in/../in/a.jpg", here + "/in/b.jpg"}), ElementsAre("a.jpg", "b.jpg"));
}

TEST(DrawnNamesTest, BecomeJpegFiles) {
  EXPECT_THAT(DrawnNames({"a.PNG", "sub/a.jpeg", "scan", "b.c.webp"}),
              ElementsAre("a.jpg", "sub/a.jpg", "scan.jpg", "b.c.jpg"));
}

TEST(DrawnNamesTest, AreAllDifferent) {
  EXPECT_THAT(DrawnNames({"a.jpg", "a.png", "a.png.jpg", "a"}),
              ElementsAre("a.jpg", "a.png.jpg", "a.png.jpg.jpg", "a_2.jpg"));
}

}  // namespace
}  // namespace rcnn::tools
