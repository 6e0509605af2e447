// Irregular COCO files as users have them, in folders that are opened. Every variant is in
// coco_instances_test.cc.

#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/opened_folder_fixture.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FolderCocoTest : public OpenedFolderFixture {};

TEST_F(FolderCocoTest, PartsThatNumberTheirClassesInAnotherWay) {
  PutImage("train/a.png");
  PutImage("val/b.png");
  Put("train.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 2, 3, 4]")));
  for (const auto& [categories, name] :
       {std::pair(R"([{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}])", "dog"),
        std::pair(R"([{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}])", "dog"),
        std::pair(R"([{"id": 1, "name": "cat"}, {"id": 9, "name": "dog"}])", "cat")}) {
    Put("val.json", Coco(CocoImage("1", "b.png"), CocoObject("1", "[1, 2, 3, 4]"),
                         absl::StrCat("\"categories\": ", categories)));
    EXPECT_THAT(Objects(),
                ElementsAre("a.png cat 1 2 4 6", absl::StrCat("b.png ", name, " 1 2 4 6")))
        << categories;
    EXPECT_THAT(classes_, ElementsAre("cat", "dog"));
    // As one dataset too.
    const auto all = OpenDatasetFlag(folder_, {}, {});
    ASSERT_THAT(all, IsOk()) << categories;
    EXPECT_THAT((*all)->classes().names, ElementsAre("cat", "dog"));
    EXPECT_EQ((*all)->objects(1)[0].label, name == std::string("cat") ? 1 : 2) << categories;
  }
  Put("val.json", Coco(CocoImage("1", "b.png"), CocoObject("1", "[1, 2, 3, 4]"),
                       R"("categories": [{"id": 1, "name": "bird"}])"));
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("the part val has the classes bird"),
                                      HasSubstr("export all parts with the same classes"))));
}

TEST_F(FolderCocoTest, NamesOfAnotherMachineAreAnErrorThatSaysWhatToWrite) {
  PutImage("images/a.png");
  for (const char* name : {"/data/upload/a.png", "../images/a.png", "https://host/x/a.png"}) {
    Put("a.json", Coco(CocoImage("1", name), CocoObject("1", "[1, 2, 3, 4]")));
    EXPECT_THAT(Error(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(name), HasSubstr("if images/a.png is meant, write "
                                                          "its file_name as \"a.png\""))))
        << name;
  }
}

TEST_F(FolderCocoTest, RootCategory) {
  PutImage("a.png");
  for (const char* root : {"pets", "cat"}) {
    Put("a.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 2, 3, 4]"),
                       absl::StrCat(R"("categories": [{"id": 0, "name": ")", root,
                                    R"(", "supercategory": "none"}, {"id": 1, "name": "cat", )",
                                    R"("supercategory": ")", root, R"("}])")));
    EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 4 6")) << root;
    EXPECT_THAT(classes_, ElementsAre("cat"));
    EXPECT_THAT(told_, HasSubstr("category 0")) << root;
  }
}

TEST_F(FolderCocoTest, NumbersAsTheyAreWritten) {
  PutImage("a.png");
  // Ids as strings, no id, and every way not to give an area or a mark.
  Put("a.json",
      Coco(CocoImage("\"7\"", "a.png"),
           absl::StrJoin({CocoObject("\"7\"", "[1, 1, 3, 3]", R"("id": "5")"),
                          CocoObject("7", "[2, 1, 3, 3]", R"("area": null)"),
                          CocoObject("7", "[3, 1, 3, 3]", R"("area": NaN)"),
                          CocoObject("7", "[4, 1, 3, 3]", R"("area": "9")"),
                          CocoObject("7", "[5, 1, 3, 3]", R"("area": [9], "iscrowd": null)"),
                          CocoObject("7", "[6, 1, 3, 3]", R"("iscrowd": "no")")},
                         ", ")));
  EXPECT_THAT(Objects(),
              ElementsAre("a.png cat 1 1 4 4", "a.png cat 2 1 5 4", "a.png cat 3 1 6 4",
                          "a.png cat 4 1 7 4", "a.png cat 5 1 8 4", "a.png cat 6 1 9 4"));
  EXPECT_THAT(told_, AllOf(HasSubstr("missing area"), HasSubstr("\"no\"")));
}

TEST_F(FolderCocoTest, NamesOfOtherMachines) {
  PutImage("images/left/a.png");
  PutImage("images/b.png");
  Put("a.json",
      Coco(absl::StrCat(CocoImage("1", R"(left\\a.png)"), ", ",
                        CocoImage("2", fs::canonical(folder_).string() + "/images/b.png")),
           absl::StrCat(CocoObject("1", "[1, 1, 3, 3]"), ", ",
                        CocoObject("2", "[2, 1, 3, 3]", "\"id\": 2, \"area\": 9"))));
  EXPECT_THAT(Objects(), ElementsAre("b.png cat 2 1 5 4", "left/a.png cat 1 1 4 4"));
  // Also where all names are absolute.
  Put("a.json", Coco(CocoImage("2", fs::canonical(folder_).string() + "/images/b.png"),
                     CocoObject("2", "[2, 1, 3, 3]")));
  EXPECT_THAT(Objects(), ElementsAre("images/b.png cat 2 1 5 4"));
  for (const char* name : {"../images/b.png", "/upload/b.png"}) {
    Put("a.json", Coco(CocoImage("2", name), CocoObject("2", "[2, 1, 3, 3]")));
    EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr(absl::StrCat("a.json names ", name,
                                                         ", a path that leaves the folder"))));
  }
}

TEST_F(FolderCocoTest, TwoRecordsOfOneFile) {
  PutImage("a.png");
  const std::string objects =
      absl::StrCat(CocoObject("1", "[1, 1, 3, 3]"), ", ",
                   CocoObject("2", "[2, 1, 3, 3]", "\"id\": 2, \"area\": 9"));
  Put("a.json",
      Coco(absl::StrCat(CocoImage("1", "a.png"), ", ", CocoImage("2", "a.png")), objects));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 1 4 4", "a.png cat 2 1 5 4"));
  EXPECT_THAT(told_, HasSubstr("ids 1 and 2"));
  Put("a.json", Coco(absl::StrCat(CocoImage("1", "a.png"), R"(, {"id": 2, "file_name": "a.png", )",
                                  R"("width": 41, "height": 30})"),
                     objects));
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("id 1 and 2"), HasSubstr("40 x 30"), HasSubstr("41 x 30"))));
}

TEST_F(FolderCocoTest, NamesOfClassesWithSpaces) {
  PutImage("a.png");
  Put("a.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 1, 3, 3]"),
                     R"("categories": [{"id": 1, "name": " cat\n"}])"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 1 4 4"));
}

TEST_F(FolderCocoTest, TextThatIsNotQuiteJson) {
  PutImage("a.png");
  const std::string good = Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 1, 3, 3]"));
  std::string comma = good;
  comma.insert(comma.rfind(']'), ",");
  Put("a.json", comma);
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("remove the comma")));
  Put("a.json", Utf16(good));
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("a.json"), HasSubstr("UTF-16"))));
  Put("a.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("a.json"), HasSubstr("git lfs pull"))));
}

TEST_F(FolderCocoTest, ShowsTheOffendingValue) {
  PutImage("a.png");
  Put("a.json", Coco(CocoImage("1", "a.png"), absl::StrCat(CocoObject("1", "[1, 1, 3, 3]"), ", ",
                                                           CocoObject("1", R"([1, 1, "wide", 3])",
                                                                      "\"id\": 2, \"area\": 9"))));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 1 4 4"));
  EXPECT_THAT(told_, HasSubstr("\"wide\""));
}

TEST_F(FolderCocoTest, BoxesOfPolygonsAreTold) {
  PutImage("a.png");
  Put("a.json", Coco(CocoImage("1", "a.png"),
                     R"({"id": 1, "image_id": 1, "category_id": 1, "area": 9, "segmentation":
               [[1, 2, 4, 2, 4, 9]]},
              {"id": 2, "image_id": 1, "category_id": 1, "area": 9, "segmentation":
               {"size": [30, 40], "counts": [3, 4, 1193]}})"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 4 9"));
  EXPECT_THAT(told_, AllOf(HasSubstr("1 annotation has no bbox, the first annotations[0]"),
                           HasSubstr("object 1: missing field: id 2: bbox")));
}

}  // namespace
}  // namespace rcnn::data
