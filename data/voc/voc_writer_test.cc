#include "rcnn/data/voc/voc_writer.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

// One image of this name.
class NamedImage : public testing::FakeDataset {
 public:
  explicit NamedImage(std::string name) : FakeDataset({{8, 6}}), name_(std::move(name)) {}

  ImageInfo image(int64_t index) const override {
    ImageInfo info = FakeDataset::image(index);
    info.name = name_;
    return info;
  }

 private:
  std::string name_;
};

TEST(WriteVoc, RefusesNamesThatAListCannotHold) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/written");
  std::filesystem::remove_all(folder);
  for (const char* name : {"two\nlines.png", " lead.png", "trail .png"}) {
    EXPECT_THAT(WriteVoc(NamedImage(name), folder, {}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("a list of ImageSets/Main cannot hold the image name")))
        << name;
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_THAT(WriteVoc(NamedImage("in side.png"), folder, {}), IsOk());
  EXPECT_TRUE(std::filesystem::exists(folder + "/Annotations/in side.xml"));
}

// Of another dataset in the same folder.
TEST(WriteVoc, ReplacesNoOtherFile) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/not_replaced");
  std::filesystem::remove_all(folder);
  for (int i = 0; i < 2; ++i) EXPECT_THAT(WriteVoc(NamedImage("one.png"), folder, {}), IsOk());
  const std::string list = folder + "/ImageSets/Main/trainval.txt";
  EXPECT_THAT(WriteVoc(NamedImage("two.png"), folder, {}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(list)));
  EXPECT_FALSE(std::filesystem::exists(folder + "/JPEGImages/two.png"));
  for (const char* path : {"/JPEGImages/one.png", "/Annotations/one.xml"}) {
    const std::string file = folder + path;
    const std::string written = ReadFile(file).value();
    ASSERT_THAT(WriteFileAtomically(file, "mine"), IsOk());
    EXPECT_THAT(WriteVoc(NamedImage("one.png"), folder, {.split = "test"}),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(file)));
    EXPECT_EQ(ReadFile(file).value(), "mine");
    ASSERT_THAT(WriteFileAtomically(file, written), IsOk());
  }
  EXPECT_FALSE(std::filesystem::exists(folder + "/ImageSets/Main/test.txt"));
  EXPECT_THAT(WriteVoc(NamedImage("one.png"), folder, {.split = "test"}), IsOk());
}

}  // namespace
}  // namespace rcnn::data
