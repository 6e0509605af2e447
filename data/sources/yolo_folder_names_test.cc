#include "rcnn/data/sources/yolo_folder_names.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/folder_fixture.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

using YoloFolderNamesTest = FolderFixture;

TEST_F(YoloFolderNamesTest, DataYamlComesBeforeOthersAndTheOuterBeforeTheInner) {
  Notices notices;
  const auto none = FindYaml(Read(), notices);
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->has_value());
  const auto found = [&] {
    const auto yaml = FindYaml(Read(), notices);
    return yaml.ok() && yaml->has_value() ? (*yaml)->file : "";
  };
  Put("inner/data.yaml", "names: [cat]\n");
  EXPECT_EQ(found(), "inner/data.yaml");
  Put("b.YML", "names: [cat]\n");
  EXPECT_EQ(found(), "b.YML");
  Put("a.yaml", "names: [cat\n");
  EXPECT_EQ(found(), "b.YML");
  EXPECT_THAT(notices, ElementsAre(HasSubstr("a.yaml is not read")));
  Put("data.yaml", "names: [cat]\n");
  EXPECT_EQ(found(), "data.yaml");
  Put("data.yaml", "names: [cat\n");
  EXPECT_THAT(FindYaml(Read(), notices),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("data.yaml")));
}

// Of two datasets side by side each has its own numbers of classes.
TEST_F(YoloFolderNamesTest, FilesOfTheSameRankMustAgree) {
  Notices notices;
  Put("left/data.yaml", "names: [cat, dog]\n");
  Put("right/data.yaml", "names: [cat, dog]\n");
  ASSERT_THAT(FindYaml(Read(), notices), IsOk());
  EXPECT_THAT(notices, IsEmpty());
  Put("right/data.yaml", "names: [dog, cat]\n");
  EXPECT_THAT(FindYaml(Read(), notices),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("left/data.yaml and right/data.yaml name different classes")));
  Put("data.yaml", "names: [cat, dog]\n");
  const auto outer = FindYaml(Read(), notices);
  ASSERT_THAT(outer, IsOk());
  EXPECT_EQ((*outer)->file, "data.yaml");
  EXPECT_THAT(notices, ElementsAre("data.yaml and right/data.yaml name different classes; those of "
                                   "data.yaml are used"));
}

// A YAML value of 2 bytes takes some 400 bytes of memory once it is parsed.
TEST_F(YoloFolderNamesTest, LargeYamlIsRefusedAndThatOfOthersLeftOut) {
  const std::string large = absl::StrCat("names: [cat]\n#", std::string(4 << 20, 'x'));
  Notices notices;
  Put("other.yaml", large);
  const auto none = FindYaml(Read(), notices);
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->has_value());
  EXPECT_THAT(notices, ElementsAre("other.yaml is not read: larger than 4 MiB"));
  Put("data.yaml", large);
  EXPECT_THAT(FindYaml(Read(), notices),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("data.yaml")));
}

TEST_F(YoloFolderNamesTest, ListsMustAgree) {
  Put("classes.txt", "cat\ndog\n");
  Put("data/obj.names", "cat\ndog\n");
  const auto list = FindNameLists(Read());
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(list->names, ElementsAre("cat", "dog"));
  Put("data/obj.names", "dog\ncat\n");
  EXPECT_THAT(FindNameLists(Read()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("classes.txt and data/obj.names name different classes")));
}

TEST_F(YoloFolderNamesTest, PathsOfOtherMachinesEndInTheFolder) {
  Put("set/train/images/1.jpg");
  Put("set/val.txt", "1.jpg\n");
  const FolderContents contents = Read();
  const auto place = [&](const std::string& text, const std::string& path = "") {
    YoloYaml yaml;
    yaml.path = path;
    return PlaceInside(contents, {"set/data.yaml", yaml}, text);
  };
  const std::string images = "set/train/images";
  EXPECT_THAT(place("../train/images"), Optional(images));
  EXPECT_THAT(place("/home/me/set/train/images/"), Optional(images));
  EXPECT_THAT(place("C:\\set\\train\\images"), Optional(images));
  EXPECT_THAT(place("images", "train"), Optional(images));
  EXPECT_THAT(place("./val.txt"), Optional(std::string("set/val.txt")));
  for (const char* whole : {".", "./", "/"}) {
    EXPECT_THAT(place(whole), Optional(std::string("set"))) << whole;
  }
  EXPECT_EQ(place("test/images"), std::nullopt);
}

}  // namespace
}  // namespace rcnn::data
