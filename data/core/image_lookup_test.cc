#include "rcnn/data/core/image_lookup.h"

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImageLookupTest : public testing::Test {
 protected:
  ImageLookupTest() : folder_(FreshDirectory()), lookup_(folder_) {
    EXPECT_THAT(CreateDirectories(folder_ + "/sub"), IsOk());
  }

  void Write(const std::string& file) {
    ASSERT_THAT(WriteFileAtomically(folder_ + "/" + file, "x").status(), IsOk());
  }

  const std::string folder_;
  ImageLookup lookup_;
};

TEST_F(ImageLookupTest, FindsExtensionsInAnyCase) {
  for (const char* file :
       {"a.jpg", "b.JPG", "c.Jpeg", "d.jfif", "e.JPE", "f.PnG", "g.bmp", "h.WEBP", "i.txt", "j"}) {
    Write(file);
  }
  EXPECT_THAT(lookup_.FindByStem("a"), ElementsAre("a.jpg"));
  EXPECT_THAT(lookup_.FindByStem("b"), ElementsAre("b.JPG"));
  EXPECT_THAT(lookup_.FindByStem("c"), ElementsAre("c.Jpeg"));
  EXPECT_THAT(lookup_.FindByStem("d"), ElementsAre("d.jfif"));
  EXPECT_THAT(lookup_.FindByStem("e"), ElementsAre("e.JPE"));
  EXPECT_THAT(lookup_.FindByStem("f"), ElementsAre("f.PnG"));
  EXPECT_THAT(lookup_.FindByStem("h"), ElementsAre("h.WEBP"));
  for (const char* none : {"i", "j", "z", "A"}) EXPECT_THAT(lookup_.FindByStem(none), IsEmpty());
}

TEST_F(ImageLookupTest, AFolderThatCannotBeListedNowIsNotEmpty) {
  EXPECT_THAT(lookup_.FindByStem("none/a"), IsEmpty());
  EXPECT_THAT(lookup_.status(), IsOk());
  std::filesystem::create_symlink("loop", folder_ + "/loop");  // ELOOP, for root too
  EXPECT_THAT(lookup_.FindByStem("loop/a"), IsEmpty());
  EXPECT_THAT(lookup_.status(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("loop")));
}

TEST_F(ImageLookupTest, OrdersSeveralOfOneStem) {
  for (const char* file : {"a.png", "a.JPG", "a.jpg", "a.webp", "a.jpeg"}) Write(file);
  EXPECT_THAT(lookup_.FindByStem("a"), ElementsAre("a.jpg", "a.jpeg", "a.png", "a.webp", "a.JPG"));
  EXPECT_TRUE(lookup_.Has("a.png"));
  EXPECT_FALSE(lookup_.Has("a.PNG"));
}

TEST_F(ImageLookupTest, LooksIntoSubfoldersThatAreNamed) {
  Write("sub/a.jpg");
  EXPECT_THAT(lookup_.FindByStem("sub/a"), ElementsAre("sub/a.jpg"));
  EXPECT_THAT(lookup_.FindByStem("a"), IsEmpty());
  EXPECT_TRUE(lookup_.Has("sub/a.jpg"));
  EXPECT_THAT(lookup_.FindByStem("none/a"), IsEmpty());
}

// What macOS writes on foreign file systems.
TEST_F(ImageLookupTest, SkipsResourceForks) {
  Write("._a.jpg");
  EXPECT_THAT(lookup_.FindByStem("._a"), IsEmpty());
}

TEST_F(ImageLookupTest, DotsBelongToTheName) {
  Write("a.b.jpg");
  EXPECT_THAT(lookup_.FindByStem("a.b"), ElementsAre("a.b.jpg"));
  EXPECT_THAT(lookup_.FindByStem("a"), IsEmpty());
}

TEST(BaseName, TakesNamesOfAnySystem) {
  EXPECT_EQ(BaseName("x/y/a.jpg"), "a.jpg");
  EXPECT_EQ(BaseName(R"(C:\x\a.jpg)"), "a.jpg");
  EXPECT_EQ(BaseName("a.jpg"), "a.jpg");
  EXPECT_EQ(BaseName("x/"), "");
}

}  // namespace
}  // namespace rcnn::data
