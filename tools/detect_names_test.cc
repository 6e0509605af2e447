#include "rcnn/tools/detect_names.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(NamesOfTest, NamesAreRelativeToTheCommonFolder) {
  EXPECT_THAT(ListNames({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ListNames({"in/a.jpg"}), IsOkAndHolds(ElementsAre("a.jpg")));
  EXPECT_THAT(ListNames({"in/a.jpg", "in/sub/b.jpg"}),
              IsOkAndHolds(ElementsAre("a.jpg", "sub/b.jpg")));
  EXPECT_THAT(ListNames({"x/in/a.jpg", "x/inner/a.jpg"}),
              IsOkAndHolds(ElementsAre("in/a.jpg", "inner/a.jpg")));
  EXPECT_THAT(ListNames({"/1/a.jpg", "/2/a.jpg"}), IsOkAndHolds(ElementsAre("1/a.jpg", "2/a.jpg")));
}

TEST(NamesOfTest, RelativeAndAbsolutePathsAreCombined) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_THAT(ListNames({"./in/../in/a.jpg", here + "/in/b.jpg"}),
              IsOkAndHolds(ElementsAre("a.jpg", "b.jpg")));
}

TEST(NamesOfTest, InADeletedFolderRelativePathsAreAnError) {
  const std::filesystem::path before = std::filesystem::current_path();
  const std::string deleted = ::testing::TempDir() + "/deleted";
  std::filesystem::create_directories(deleted);
  std::filesystem::current_path(deleted);
  std::filesystem::remove(deleted);
  EXPECT_THAT(ListNames({"../a.jpg"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the current directory")));
  EXPECT_THAT(ListNames({"/1/a.jpg", "/2/a.jpg"}), IsOkAndHolds(ElementsAre("1/a.jpg", "2/a.jpg")));
  std::filesystem::current_path(before);
}

TEST(DrawnNamesTest, BecomeJpegFiles) {
  EXPECT_THAT(DrawnNames({"a.PNG", "sub/a.jpeg", "scan", "b.c.webp"}),
              ElementsAre("a.jpg", "sub/a.jpg", "scan.jpg", "b.c.jpg"));
}

TEST(DrawnNamesTest, AreAllDifferent) {
  EXPECT_THAT(DrawnNames({"a.jpg", "a.png", "a.png.jpg", "a"}),
              ElementsAre("a.jpg", "a.png.jpg", "a.png.jpg.jpg", "a_2.jpg"));
}

TEST(DrawnNamesTest, AreNotThoseOfFolders) {
  EXPECT_THAT(
      DrawnNames({"a.png", "a.jpg/b.png", "c.jpg/d.png.jpg/e.png", "c.jpg/d.png", "c.bmp"}),
      ElementsAre("a.png.jpg", "a.jpg/b.jpg", "c.jpg/d.png.jpg/e.jpg", "c.jpg/d.jpg", "c.bmp.jpg"));
}

// 255 bytes are the most between two slashes.
TEST(DrawnNamesTest, AreShortenedToWhatAFileSystemAllows) {
  const std::string longest(251, 'n');
  EXPECT_THAT(DrawnNames({longest + ".png", longest + ".bmp", longest + ".gif"}),
              ElementsAre(longest + ".jpg", std::string(247, 'n') + ".bmp.jpg",
                          std::string(247, 'n') + ".gif.jpg"));
  // Without an extension, and below a folder, whose name stays.
  EXPECT_THAT(DrawnNames({longest + "/" + std::string(254, 'm') + "x"}),
              ElementsAre(longest + "/" + std::string(250, 'm') + "x.jpg"));
}

TEST(DrawnNamesTest, ThoseThatDifferOnlyWhereTheyAreCutGetANumber) {
  const std::string same(250, 'n');
  EXPECT_THAT(DrawnNames({"a" + same + ".jpg", "a" + same + ".png", "b" + same + ".jpg",
                          "b" + same + ".png", "b" + same + ".gif"}),
              ElementsAre("a" + same + ".jpg", same.substr(3) + ".png.jpg", "b" + same + ".jpg",
                          same.substr(5) + ".png_2.jpg", same.substr(3) + ".gif.jpg"));
}

TEST(DrawnNamesTest, AreNotCutInsideACharacter) {
  // 83 characters of three bytes and two letters.
  std::string name;
  for (int i = 0; i < 83; ++i) name += "\xe7\x8c\xab";
  name += "xy";
  EXPECT_THAT(DrawnNames({name + ".png", name + ".bmp"}),
              ElementsAre(name + ".jpg", name.substr(6) + ".bmp.jpg"));
  // Not UTF-8: a cut anywhere is as good as another.
  const std::string bytes(251, '\x80');
  for (const std::string& drawn : DrawnNames({bytes + ".png", bytes + ".bmp"})) {
    EXPECT_LE(drawn.size(), 255u);
    EXPECT_GE(drawn.size(), 252u);
  }
}

}  // namespace
}  // namespace rcnn::tools
