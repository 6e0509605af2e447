// Irregular annotations as users have them: each test opens a folder with a tiny dataset of one
// kind, and checks the objects, notices and defects. The readers' own tests have every variant;
// these check that recognition sets the fields that each kind needs.

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kImages[] = "data/image/testdata/";  // whole.*: 24 x 16

class FolderKindsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(testing::TempDir(), "/",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    Clear();
  }

  void Clear() {
    fs::remove_all(folder_);
    ASSERT_THAT(CreateDirectories(folder_), IsOk());
  }

  void Put(const std::string& path, absl::string_view content) {
    ASSERT_THAT(CreateDirectories(fs::path(folder_ + "/" + path).parent_path().string()), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ + "/" + path, content), IsOk());
  }

  void PutImage(const std::string& path, int64_t width = 40, int64_t height = 30) {
    const auto bytes = EncodePng(Image(height, width));
    ASSERT_THAT(bytes, IsOk());
    Put(path, *bytes);
  }

  // An existing image under another name.
  void PutCopy(const std::string& path, const std::string& image) {
    Put(path, ReadFile(kImages + image).value());
  }

  // Name, class and corners of each object, "a.png cat 1 2 3 4", sorted. Notices and defects go to
  // `told_`.
  std::vector<std::string> Objects(const FolderOptions& options = {}) {
    const auto folder = OpenFolder(folder_, options);
    EXPECT_THAT(folder, IsOk());
    told_.clear();
    if (!folder.ok()) return {};
    classes_ = folder->classes;
    std::vector<std::string> lines;
    for (const OpenedPart& part : folder->parts) {
      absl::StrAppend(&told_, absl::StrJoin(part.images->defects().notices(), "\n"), "\n",
                      part.images->defects().ToString(99));
      for (int64_t i = 0; i < part.images->size(); ++i) {
        for (const Object& object : part.images->objects(i)) {
          const auto& [x, y, width, height] = object.xywh;
          lines.push_back(absl::StrFormat("%s %s %g %g %g %g%s", part.images->image(i).name,
                                          classes_[static_cast<size_t>(object.label - 1)], x, y,
                                          x + width, y + height,
                                          object.difficult ? " difficult" : ""));
        }
      }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  absl::Status Error() { return OpenFolder(folder_, {}).status(); }

  std::string folder_;
  std::vector<std::string> classes_;
  std::string told_;
};

constexpr char kCategories[] =
    R"("categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}])";

std::string CocoImage(const std::string& id, const std::string& file) {
  return absl::StrCat("{\"id\": ", id, ", \"file_name\": \"", file,
                      "\", \"width\": 40, \"height\": 30}");
}

std::string Coco(const std::string& images, const std::string& annotations,
                 const std::string& categories = kCategories) {
  return absl::StrCat("{\"images\": [", images, "], \"annotations\": [", annotations, "], ",
                      categories, "}");
}

// With `fields` after the box.
std::string CocoObject(const std::string& image, const std::string& box,
                       const std::string& fields = "\"id\": 1, \"area\": 9, \"iscrowd\": 0") {
  return absl::StrCat("{\"image_id\": ", image, ", \"category_id\": 1, \"bbox\": ", box, ", ",
                      fields, "}");
}

// Two parts with an image of the same name; only the names of their folders tell them apart.
class FoldersOfPartsTest : public FolderKindsTest {
 protected:
  // "train 40": the width of each image of each part; those of val are 20 wide.
  std::vector<std::string> Widths(const std::string& train, const std::string& val) {
    PutImage(train + "/a.png", 40, 30);
    PutImage(val + "/a.png", 20, 15);
    const auto folder = OpenFolder(folder_, {});
    EXPECT_THAT(folder, IsOk());
    std::vector<std::string> widths;
    for (const OpenedPart& part : folder.ok() ? folder->parts : std::vector<OpenedPart>()) {
      for (int64_t i = 0; i < part.images->size(); ++i) {
        widths.push_back(absl::StrCat(part.name, " ", part.images->image(i).width));
      }
    }
    Clear();
    return widths;
  }
};

TEST_F(FoldersOfPartsTest, EachPartGetsItsOwnImages) {
  for (const char* part : {"train", "val"}) {
    Put(absl::StrCat("annotations/instances_", part, ".json"),
        Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 2, 3, 4]")));
  }
  EXPECT_THAT(Widths("images/train", "images/val"), ElementsAre("train 40", "val 20")) << "COCO";
  for (const char* part : {"train", "val"}) {
    Put(absl::StrCat("xml_", part, "/a.xml"),
        "<annotation><filename>a.png</filename><object><name>cat</name><bndbox><xmin>1</xmin>"
        "<ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>");
  }
  EXPECT_THAT(Widths("images_train", "images_val"), ElementsAre("train 40", "val 20")) << "VOC";
  Put("classes.txt", "cat\n");
  for (const char* part : {"train", "val"}) {
    Put(absl::StrCat(part, "_labels/a.txt"), "0 0.5 0.5 0.2 0.2\n");
  }
  EXPECT_THAT(Widths("train_images", "val_images"), ElementsAre("train 40", "val 20")) << "YOLO";
  for (const char* part : {"train", "val"}) {
    Put(absl::StrCat(part, ".csv"), "filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,1,9,9\n");
  }
  EXPECT_THAT(Widths("images/train", "images/val"), ElementsAre("train 40", "val 20")) << "CSV";
  std::string cvat = "<annotations><version>1.1</version>";
  for (const char* part : {"train", "val"}) {
    absl::StrAppend(&cvat, "<image id='0' name='a.png' subset='", part, "' width='40' height='30'>",
                    "<box label='cat' xtl='1' ytl='1' xbr='9' ybr='9'/></image>");
  }
  Put("annotations.xml", cvat + "</annotations>");
  EXPECT_THAT(Widths("images/train", "images/val"), ElementsAre("train 40", "val 20")) << "CVAT";
}

// Each part would read the whole file again.
TEST_F(FolderKindsTest, ThousandsOfPartsOfOneFileAreRefused) {
  PutImage("a.png");
  const auto code = absl::StatusCode::kInvalidArgument;
  std::string rows = "filename,class,xmin,ymin,xmax,ymax,split\n";
  std::string images = "<annotations><version>1.1</version>";
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&rows, i, ".png,cat,1,1,9,9,train", i, "\n");
    absl::StrAppend(&images, "<image id='", i, "' name='", i, ".png' subset='train", i, "'/>");
  }
  Put("boxes.csv", rows);
  EXPECT_THAT(Error(), StatusIs(code, HasSubstr("has 1000 parts, more than 100")));
  fs::remove(folder_ + "/boxes.csv");
  Put("boxes.xml", images + "</annotations>");
  EXPECT_THAT(Error(), StatusIs(code, HasSubstr("has 1000 subsets, more than 100")));
}

// Each of the 20 defects keeps a copy of the image's name. A very long name is replaced by that of
// the image that was found.
TEST_F(FolderKindsTest, ALongPathOfAnImageIsKeptOnce) {
  PutImage("a.png");
  std::string boxes = "<box label='cat' xtl='1' ytl='1' xbr='9' ybr='9'/>";
  for (int i = 0; i < 20; ++i) boxes += "<box label='cat' xtl='9' ytl='9' xbr='1' ybr='1'/>";
  Put("boxes.xml",
      absl::StrCat("<annotations><version>1.1</version><image id='0' name='",
                   std::string(100'000, 'x'), "/a.png'>", boxes, "</image></annotations>"));
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const auto& defects = folder->parts.at(0).images->defects();
  ASSERT_EQ(defects.total(), 20);
  EXPECT_EQ(defects.defects().at(0).file, "boxes.xml: a.png");
}

TEST_F(FolderKindsTest, CocoPartsThatNumberTheirClassesInAnotherWay) {
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

TEST_F(FolderKindsTest, CocoNamesOfAnotherMachineAreAnErrorThatSaysWhatToWrite) {
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

TEST_F(FolderKindsTest, CocoRootCategory) {
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

TEST_F(FolderKindsTest, CocoNumbersAsTheyAreWritten) {
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

TEST_F(FolderKindsTest, CocoNamesOfOtherMachines) {
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

TEST_F(FolderKindsTest, CocoTwoRecordsOfOneFile) {
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

TEST_F(FolderKindsTest, CocoNamesOfClassesWithSpaces) {
  PutImage("a.png");
  Put("a.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 1, 3, 3]"),
                     R"("categories": [{"id": 1, "name": " cat\n"}])"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 1 4 4"));
}

TEST_F(FolderKindsTest, CocoThatIsNotQuiteJson) {
  PutImage("a.png");
  const std::string good = Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 1, 3, 3]"));
  std::string comma = good;
  comma.insert(comma.rfind(']'), ",");
  Put("a.json", comma);
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("remove the comma")));
  std::string wide = "\xff\xfe";
  for (const char c : good) wide += std::string{c, '\0'};
  Put("a.json", wide);
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("a.json"), HasSubstr("UTF-16"))));
  Put("a.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("a.json"), HasSubstr("git lfs pull"))));
}

TEST_F(FolderKindsTest, CocoShowsTheOffendingValue) {
  PutImage("a.png");
  Put("a.json", Coco(CocoImage("1", "a.png"), absl::StrCat(CocoObject("1", "[1, 1, 3, 3]"), ", ",
                                                           CocoObject("1", R"([1, 1, "wide", 3])",
                                                                      "\"id\": 2, \"area\": 9"))));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 1 4 4"));
  EXPECT_THAT(told_, HasSubstr("\"wide\""));
}

TEST_F(FolderKindsTest, CocoBoxesOfPolygonsAreTold) {
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

// For every format whose boxes are pixels.
TEST_F(FolderKindsTest, FractionsNeedAFlag) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"a.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[0.25, 0.5, 0.5, 0.2]"))},
      {"a.xml",
       "<annotation><size><width>40</width><height>30</height></size><object><name>cat</name>"
       "<bndbox><xmin>0.25</xmin><ymin>0.5</ymin><xmax>0.75</xmax><ymax>0.7</ymax></bndbox>"
       "</object></annotation>"},
      {"a.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,40,30,cat,.25,.5,.75,.7\n"},
  };
  for (const auto& [file, content] : files) {
    Clear();
    PutImage("a.png");
    Put(file, content);
    EXPECT_THAT(Error(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--box_units=fractions")))
        << file;
    const std::vector<std::string> objects = Objects({.box_units = "fractions"});
    ASSERT_EQ(objects.size(), 1u) << file;
    EXPECT_TRUE(absl::StrContains(objects[0], " cat 10 15 30 21")) << objects[0];
  }
  EXPECT_THAT(OpenFolder(folder_, {.box_units = "metres"}).status().ToString(),
              HasSubstr("\"metres\" is neither"));
}

std::string VocObject(const std::string& boxes, const std::string& fields = "") {
  return absl::StrCat("<object><name>cat</name>", fields, boxes, "</object>");
}

std::string VocBox(double x1, double y1, double x2, double y2) {
  return absl::StrFormat(
      "<bndbox><xmin>%g</xmin><ymin>%g</ymin><xmax>%g</xmax><ymax>%g</ymax></bndbox>", x1, y1, x2,
      y2);
}

std::string Voc(const std::string& file, const std::string& objects, int width = 40,
                int height = 30) {
  return absl::StrCat("<annotation><filename>", file, "</filename><size><width>", width,
                      "</width><height>", height, "</height></size>", objects, "</annotation>");
}

TEST_F(FolderKindsTest, VocSeveralBoxesOfAnObjectAndDifficultAsAWord) {
  PutImage("a.png");
  Put("a.xml", Voc("a.png", VocObject(VocBox(2, 3, 9, 9) + VocBox(3, 3, 9, 9),
                                      "<difficult>True</difficult>")));
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 2 9 9 difficult", "a cat 2 2 9 9 difficult"));
}

TEST_F(FolderKindsTest, VocListsNameImagesOfInnerFolders) {
  for (const char* name : {"a", "night/a"}) {
    PutImage(absl::StrCat("JPEGImages/", name, ".png"));
    Put(absl::StrCat("Annotations/", name, ".xml"), Voc("a.png", VocObject(VocBox(2, 3, 9, 9))));
  }
  Put("ImageSets/Main/train.txt", "a\nnight/a\n");
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 2 9 9", "night/a cat 1 2 9 9"));
}

// Decided by the whole dataset: 0 is a coordinate, and the width itself is not.
TEST_F(FolderKindsTest, VocCoordinatesFromZeroAndFractional) {
  for (const char* name : {"a", "b"}) PutImage(absl::StrCat(name, ".png"));
  Put("a.xml", Voc("a.png", VocObject(VocBox(0, 0, 39, 29)) + VocObject(VocBox(0, 5, 9, 9))));
  Put("b.xml", Voc("b.png", VocObject(VocBox(4, 0, 9, 29)) + VocObject(VocBox(0, 1, 39, 9))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 0 0 40 30", "a cat 0 5 10 10", "b cat 0 1 40 10",
                                     "b cat 4 0 10 30"));
  EXPECT_THAT(told_, HasSubstr("ZERO_BASED_INCLUSIVE"));
  Put("a.xml", Voc("a.png", VocObject(VocBox(0, 0.5, 40, 29.5))));
  Put("b.xml", Voc("b.png", VocObject(VocBox(4.25, 0, 9.5, 30))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 0 0.5 40 29.5", "b cat 4.25 0 9.5 30"));
}

TEST_F(FolderKindsTest, VocBoxesAPixelOutsideAreClipped) {
  PutImage("a.png");
  Put("a.xml", Voc("a.png", VocObject(VocBox(5, 5, 41, 31)) + VocObject(VocBox(5, 5, 44, 31)) +
                                VocObject(VocBox(2, 2, 9, 9))));
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9", "a cat 4 4 40 30"));
  EXPECT_THAT(told_, HasSubstr("partly outside the image: (5, 5, 44, 31)"));
}

TEST_F(FolderKindsTest, VocNamesOfImages) {
  // Both exist: <filename> decides. Its folder and its extension do not count.
  PutImage("a.png");
  PutCopy("a.jpg", "whole.jpg");
  Put("a.xml", Voc("C:\\photos\\a.jpg", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  PutImage("b.png");
  Put("b.xml", Voc("/home/me/b.JPEG", VocObject(VocBox(2, 2, 9, 9))));
  // Extensions in any case and the rarer ones of JPEG; .XML.
  PutCopy("c.JFIF", "whole.jpg");
  Put("c.XML", Voc("c.JFIF", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  PutCopy("d.jpe", "whole.jpg");
  Put("d.xml", Voc("d.jpe", VocObject(VocBox(2, 2, 9, 9)), 24, 16));
  // A file that macOS leaves beside the others.
  Put("._d.xml", std::string("\0\5\x16\7", 4));
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const Dataset& images = *folder->parts[0].images;
  std::vector<std::string> files;
  for (int64_t i = 0; i < images.size(); ++i) {
    files.push_back(fs::path(images.image(i).path).filename().string());
  }
  EXPECT_THAT(files, ElementsAre("a.jpg", "b.png", "c.JFIF", "d.jpe"));
  EXPECT_EQ(images.defects().ToString(9), "");
}

// The names of the annotation files say nothing; "images" is found by those inside.
TEST_F(FolderKindsTest, ImagesThatOnlyTheTextOfAnnotationsNames) {
  PutImage("images/dog.png");
  PutImage("images/cat.png");
  Put("labels/1.xml", Voc("C:\\photos\\cat.png", VocObject(VocBox(2, 2, 9, 9))));
  EXPECT_THAT(Objects(), ElementsAre("1 cat 1 1 9 9"));
  fs::remove(folder_ + "/labels/1.xml");
  Put("labels/1.json",
      R"({"imagePath": "..\\photos\\cat.png", "imageWidth": 40, "imageHeight": 30, "shapes": [{)"
      R"("label": "cat", "points": [[1, 2], [3, 4]], "shape_type": "rectangle"}]})");
  EXPECT_THAT(Objects(), ElementsAre("cat.png cat 1 2 3 4"));
}

TEST_F(FolderKindsTest, VocTextInTheEncodingThatItDeclares) {
  const std::string objects = VocBox(2, 2, 9, 9);
  const auto xml = [&](const std::string& encoding, const std::string& name) {
    return absl::StrCat(
        "<?xml version=\"1.0\" encoding=\"", encoding, "\"?>",
        Voc("a.png", absl::StrCat("<object><name>", name, "</name>", objects, "</object>")));
  };
  PutImage("a.png");
  Put("a.xml", xml("GBK", "\xc3\xa8"));  // cat
  EXPECT_THAT(Objects(), ElementsAre("a \xe7\x8c\xab 1 1 9 9"));
  Put("a.xml", xml("ISO-8859-1", "caf\xe9"));
  EXPECT_THAT(Objects(), ElementsAre("a caf\xc3\xa9 1 1 9 9"));
  std::string wide = "\xff\xfe";
  for (const char c : xml("UTF-16", "cat")) wide += std::string{c, '\0'};
  Put("a.xml", wide);
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9"));
}

// Parts of VOC's own lists, however they were saved; a name may end in a number.
TEST_F(FolderKindsTest, VocLists) {
  for (const char* name : {"a", "b 0", "c"}) {
    PutImage(absl::StrCat("JPEGImages/", name, ".png"));
    Put(absl::StrCat("Annotations/", name, ".xml"),
        Voc(absl::StrCat(name, ".png"), VocObject(VocBox(2, 2, 9, 9))));
  }
  std::string wide = "\xff\xfe";
  for (const char c : std::string("a  1\r\nb 0\r\n")) wide += std::string{c, '\0'};
  Put("ImageSets/Main/train.txt", wide);
  Put("ImageSets/Main/test.txt", "c -1\r\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  ASSERT_EQ(folder->parts.size(), 2u);
  EXPECT_EQ(folder->FindPart("train")->images->size(), 2);
  EXPECT_EQ(folder->FindPart("train")->images->image(1).name, "b 0");
  EXPECT_EQ(folder->FindPart("test")->images->image(0).name, "c");
}

// Names of label files that would silently leave images without objects.
TEST_F(FolderKindsTest, YoloLabelFilesOfOtherNames) {
  for (const char* image : {"a.png", "b.png", "c.png", "d.png"}) PutImage(image);
  Put("classes.txt", "cat\n");
  Put("a.TXT", "0 0.5 0.5 0.5 0.5\n");
  Put("b.png.txt", "0 0.5 0.5 0.5 0.2\n");
  Put("c.txt", "0 0.5 0.5 0.1 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 10 7.5 30 22.5", "b.png cat 10 12 30 18",
                                     "c.png cat 18 12 22 18"));
  EXPECT_THAT(told_, HasSubstr("1 of 4 images has no label file"));
}

// Phones write .heic, which is not read.
TEST_F(FolderKindsTest, YoloLabelsWithoutAnImageAreTold) {
  PutImage("a.png");
  Put("b.heic", "x");
  Put("classes.txt", "cat\n");
  Put("notes.txt", "taken on a Monday\n");
  for (const char* label : {"a.txt", "b.txt"}) Put(label, "0 0.5 0.5 0.5 0.2\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              ElementsAre(AllOf(HasSubstr("1 label file has no image"), HasSubstr("b.txt"))));
}

std::string Wide(const std::string& text) {
  std::string wide = "\xff\xfe";
  for (const char c : text) wide += std::string{c, '\0'};
  return wide;
}

// As Windows' editors and spreadsheets save them.
TEST_F(FolderKindsTest, TextInUtf16) {
  PutImage("a.png");
  Put("boxes.csv", Wide("filename,class,xmin,ymin,xmax,ymax\r\na.png,cat,1,2,3,4\r\n"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 3 4"));
  Clear();
  PutImage("a.png");
  Put("classes.txt", Wide("cat\r\n"));
  Put("a.txt", Wide("0 0.5 0.5 0.5 0.2\r\n"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 10 12 30 18"));
}

TEST_F(FolderKindsTest, ClassNamesThatAreNotUtf8AreTold) {
  PutImage("a.png");
  Put("a.txt", "0 0.5 0.5 0.5 0.2\n");
  Put("classes.txt", "\xb9\xb7\n");  // GBK
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              ElementsAre(AllOf(HasSubstr("not UTF-8"), HasSubstr("from its encoding"),
                                HasSubstr("iconv -f ENCODING -t UTF-8"))));
}

// As Excel saves it where numbers have decimal commas.
TEST_F(FolderKindsTest, CsvOfExcel) {
  PutImage("a.png");
  Put("boxes.csv",
      "\xef\xbb\xbfsep=;\r\nfilename;class;xmin;ymin;xmax;ymax\r\na.png;cat;1,5;2;3,25;4\r\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1.5 2 3.25 4"));
}

// A column that names no part is not read.
TEST_F(FolderKindsTest, CsvColumnsOfPartsAreTold) {
  PutImage("a.png");
  Put("boxes.csv", "Split,filename,class,xmin,ymin,xmax,ymax\nfold1,a.png,cat,1,2,3,4\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 3 4"));
  EXPECT_THAT(told_, HasSubstr("the column Split is not read"));
}

TEST_F(FolderKindsTest, YoloListsThatNameNoImageAreTold) {
  for (const char* image : {"images/a.png", "images/b.png"}) PutImage(image);
  for (const char* label : {"labels/a.txt", "labels/b.txt"}) Put(label, "0 0.5 0.5 0.5 0.2\n");
  Put("train.txt", "images/a.png\nimages/b.png\n");
  Put("val.txt", "elsewhere/z.png\n");
  Put("data.yaml", "names: [cat]\ntrain: train.txt\nval: val.txt\ntest: missing\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  ASSERT_EQ(folder->parts.size(), 1u);
  EXPECT_EQ(folder->parts[0].images->size(), 2);
  EXPECT_THAT(absl::StrJoin(folder->notices, "\n"),
              AllOf(HasSubstr("the part val is left out: val.txt names elsewhere/z.png"),
                    HasSubstr("names missing as the part test, which is not in the folder")));
}

// Frames of two cameras.
TEST_F(FolderKindsTest, YoloListsDoNotMixImagesOfOneName) {
  for (const char* camera : {"left", "right"}) {
    PutImage(absl::StrCat(camera, "/images/1.png"));
    Put(absl::StrCat(camera, "/labels/1.txt"), "0 0.5 0.5 0.5 0.2\n");
  }
  Put("classes.txt", "cat\n");
  Put("train.txt", "left/images/1.png\n");
  Put("val.txt", "right/images/1.png\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("left/images/1.png"),
                                      HasSubstr("right/images/1.png"), HasSubstr("same name"))));
  PutImage("right/images/2.png");
  Put("right/labels/2.txt", "0 0.5 0.5 0.5 0.2\n");
  fs::remove(folder_ + "/right/images/1.png");
  fs::remove(folder_ + "/right/labels/1.txt");
  Put("val.txt", "/of/another/machine/right/images/2.png\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->FindPart("train")->images->size(), 1);
  EXPECT_EQ(folder->FindPart("val")->images->size(), 1);
}

// "images/night/1.png" of a list is the end of the path of one image only, but ends with the name
// that the other has in its folder.
TEST_F(FolderKindsTest, YoloListsTellNestedFoldersApart) {
  for (const char* name : {"1", "night/1", "night/2"}) {
    PutImage(absl::StrCat("images/", name, ".png"));
    Put(absl::StrCat("labels/", name, ".txt"), "0 0.5 0.5 0.5 0.2\n");
  }
  Put("classes.txt", "cat\n");
  Put("train.txt", "images/night/2.png\n");
  Put("val.txt", "images/night/1.png\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("images/night/1.png"), HasSubstr("images/1.png"),
                                      HasSubstr("same name"))));
}

TEST_F(FolderKindsTest, AnnotationsOfImagesThatAreMissingAreTold) {
  PutImage("train/a.png");
  Put("classes.txt", "cat\n");
  Put("train/a.txt", "0 0.5 0.5 0.5 0.2\n");
  Put("val/z.txt", "0 0.5 0.5 0.5 0.2\n");
  auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, Contains(HasSubstr("val (1 file) looks like YOLO")));
  Clear();
  PutImage("a.png");
  Put("train.json", Coco(CocoImage("1", "a.png"), CocoObject("1", "[1, 1, 3, 3]")));
  Put("val.json", Coco(CocoImage("1", "z.png"), CocoObject("1", "[1, 1, 3, 3]")));
  folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, Contains(HasSubstr("val.json names z.png")));
}

// Otherwise training would see each image twice.
TEST_F(FolderKindsTest, TwoAnnotationsOfOneImageAreAnErrorThatNamesBoth) {
  PutImage("images/a.png");
  for (const char* xmls : {"annotations", "old"}) {
    Put(absl::StrCat(xmls, "/a.xml"), Voc("a.png", VocObject(VocBox(2, 2, 9, 9))));
  }
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("images/a.png is annotated in both"),
                                      HasSubstr("/annotations and"), HasSubstr("/old"))));
  fs::remove_all(folder_ + "/old");
  EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9"));
}

// Recognition reads only a few of many files. These must be among them.
TEST_F(FolderKindsTest, FewObjectsOnManyImagesAreFound) {
  for (int i = 0; i < 40; ++i) {
    PutImage(absl::StrCat(i, ".png"));
    Put(absl::StrCat(i, ".txt"), i == 17 ? "0 0.5 0.5 0.5 0.2\n" : "");
  }
  Put("classes.txt", "cat\n");
  EXPECT_THAT(Objects(), ElementsAre("17.png cat 10 12 30 18"));
}

TEST_F(FolderKindsTest, ListsBesideManyLabelFilesAreFound) {
  std::string train;
  for (int i = 0; i < 40; ++i) {
    PutImage(absl::StrCat("z", i, ".png"));
    Put(absl::StrCat("z", i, ".txt"), "0 0.5 0.5 0.5 0.2\n");
    if (i != 17) absl::StrAppend(&train, "z", i, ".png\n");
  }
  Put("classes.txt", "cat\n");
  Put("train.txt", train);
  Put("test.txt", "z17.png\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  ASSERT_EQ(folder->parts.size(), 2u);
  EXPECT_EQ(folder->FindPart("train")->images->size(), 39);
  EXPECT_EQ(folder->FindPart("test")->images->image(0).name, "z17.png");
}

// Each file annotates one image and has its name.
TEST_F(FolderKindsTest, EveryOneOfManyTablesIsRead) {
  for (int i = 0; i < 40; ++i) {
    PutImage(absl::StrCat("z", i, ".png"));
    Put(absl::StrCat("z", i, ".csv"),
        absl::StrCat("filename,class,xmin,ymin,xmax,ymax\nz", i, ".png,cat,1,2,3,4\n"));
  }
  EXPECT_EQ(Objects().size(), 40u);
  for (int i = 0; i < 40; ++i) {
    fs::remove(absl::StrCat(folder_, "/z", i, ".csv"));
    Put(absl::StrCat("z", i, ".xml"),
        absl::StrCat("<annotations><image name='z", i, ".png' width='40' height='30'><box ",
                     "label='cat' xtl='1' ytl='2' xbr='3' ybr='4'/></image></annotations>"));
  }
  EXPECT_EQ(Objects().size(), 40u);
}

TEST_F(FolderKindsTest, YoloNumbersOfOtherConventionsAreTold) {
  PutImage("a.png");
  PutImage("b.png");
  Put("classes.txt", "cat\ndog\n");
  Put("a.txt", "0 20 15 9 8\n");
  Put("b.txt", "1 20 15 9 8\n");
  EXPECT_THAT(Objects(), ElementsAre());
  EXPECT_THAT(told_, HasSubstr("2 of 2 boxes are larger than their images, or far outside"));
  Put("a.txt", "1 0.5 0.5 0.2 0.2\n");
  Put("b.txt", "2 0.5 0.5 0.2 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png dog 16 12 24 18"));
  EXPECT_THAT(told_, HasSubstr("no object has the class 0, and 1 has 2"));
  Put("a.txt", "0 0.5 0.5 0.2 0.2\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 16 12 24 18"));
  EXPECT_THAT(told_, Not(HasSubstr("counted from 1")));
}

TEST_F(FolderKindsTest, YoloKeypointsThatLookLikePolygonsAreTold) {
  for (int i = 0; i < 8; ++i) {
    PutImage(absl::StrCat(i, ".png"));
    Put(absl::StrCat(i, ".txt"), "0 0.5 0.5 0.5 0.2 0.4 0.5 0.6 0.55\n");
  }
  Put("data.yaml", "names: [cat]\n");
  EXPECT_EQ(Objects().size(), 8u);
  EXPECT_THAT(told_, HasSubstr("each of the 8 polygons could also be a box followed by keypoints"));
  Put("data.yaml", "names: [cat]\nkpt_shape: [2, 2]\n");
  EXPECT_THAT(Objects(), Contains("7.png cat 10 12 30 18"));
  EXPECT_THAT(told_, ::testing::Not(HasSubstr("could also be")));
}

TEST_F(FolderKindsTest, YoloFilesOfNamesThatDifferOrAreWrongAreTold) {
  PutImage("a.png");
  Put("a.txt", "1 0.5 0.5 0.5 0.2\n");
  Put("Classes.TXT", "dog\ncat\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 10 12 30 18"));
  Put("Data.YAML", "names: [cat, dog]\n");
  EXPECT_THAT(Objects(), ElementsAre("a.png dog 10 12 30 18"));
  auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              ElementsAre("Data.YAML and Classes.TXT name different classes; those "
                          "of Data.YAML are used"));
  fs::remove(folder_ + "/Data.YAML");
  Put("pets.yml", "nc: 3\nnames: [cat, dog]\n");
  folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, ElementsAre("pets.yml is not read: nc is 3, but there are 2 names; "
                                           "correct the one that is wrong"));
  fs::remove(folder_ + "/Classes.TXT");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("class names"), HasSubstr("nc is 3"))));
}

// The forms in which X-AnyLabeling and CVAT keep VOC's mark "difficult".
TEST_F(FolderKindsTest, MarksOfDifficultObjects) {
  PutImage("a.png");
  Put("a.json",
      R"({"imagePath": "a.png", "imageWidth": 40, "imageHeight": 30, "shapes": [{"label": "cat", )"
      R"("points": [[3, 4], [1, 2]], "shape_type": "rectangle", "difficult": true}]})");
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 3 4 difficult"));
  Clear();
  PutImage("a.png");
  Put("a.xml",
      "<?xml version='1.0' encoding='GBK'?><annotations><image name='a.png' width='40' "
      "height='30'><box label='\xc3\xa8' xtl='1' ytl='2' xbr='3' ybr='4'><attribute "
      "name='difficult'>true</attribute></box></image></annotations>");
  EXPECT_THAT(Objects(), ElementsAre("a.png \xe7\x8c\xab 1 2 3 4 difficult"));
}

// One image turned by a quarter, whose annotated size shows the view, decides it for all images.
TEST_F(FolderKindsTest, ExifTurns) {
  const auto put = [&](const std::string& name, const std::string& image, int orientation) {
    Put(name, WithExif(ReadFile(kImages + image).value(), OrientationTiff(orientation)));
  };
  for (const char* image : {"whole.jpg", "whole.png", "whole.webp"}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      Clear();
      const std::string extension = fs::path(image).extension();
      put("a" + extension, image, orientation);
      put("b" + extension, image, 6);
      const bool swapped = orientation >= 5;
      Put("a.xml", Voc("a" + extension, VocObject(VocBox(2, 2, 9, 9)), swapped ? 16 : 24,
                       swapped ? 24 : 16));
      Put("b.xml", Voc("b" + extension, VocObject(VocBox(2, 2, 9, 20)), 16, 24));
      EXPECT_THAT(Objects(), ElementsAre("a cat 1 1 9 9", "b cat 1 1 9 20"))
          << image << " " << orientation;
      const auto folder = OpenFolder(folder_, {});
      ASSERT_THAT(folder, IsOk());
      const ImageInfo info = folder->parts[0].images->image(0);
      EXPECT_EQ(info.width, swapped ? 16 : 24) << image << " " << orientation;
      EXPECT_EQ(folder->parts[0].images->LoadImage(0).value()->width(), info.width);
    }
  }
}

// An animation is read as its first frame. A damaged image is an error that names its file.
TEST_F(FolderKindsTest, FormatsAndDamageOfImages) {
  std::string csv = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
  for (const char* image : {"reference/animation.gif", "reference/animation.webp",
                            "reference/lzw.tif", "reference/rgb_16.png", "cmyk.jpg"}) {
    const std::string name = fs::path(image).filename();
    PutCopy(name, image);
    absl::StrAppend(&csv, name, ",,,cat,1,1,5,5\n");
  }
  std::string damaged = ReadFile(std::string(kImages) + "whole.jpg").value();
  damaged.resize(damaged.size() / 2);
  Put("cut.jpg", damaged + "\xff\xd9");
  absl::StrAppend(&csv, "cut.jpg,,,cat,1,1,5,5\n");
  Put("boxes.csv", csv);
  EXPECT_EQ(Objects().size(), 6u);
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const Dataset& images = *folder->parts[0].images;
  for (int64_t i = 0; i < images.size(); ++i) {
    const std::string name = images.image(i).name;
    if (name == "cut.jpg") {
      EXPECT_THAT(images.LoadImage(i).status().ToString(), HasSubstr("cut.jpg"));
    } else {
      EXPECT_THAT(images.LoadImage(i), IsOk()) << name;
    }
  }
}

}  // namespace
}  // namespace rcnn::data
