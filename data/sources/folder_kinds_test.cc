// What folders of several kinds have in common, and kinds that have few tests, each with a tiny
// dataset. COCO, VOC and YOLO: folder_coco_test.cc, folder_voc_test.cc, folder_yolo_test.cc. The
// readers' own tests have every variant; all these check that recognition sets the fields that each
// kind needs.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/sources/opened_folder_fixture.h"
#include "rcnn/data/testing/exif_file.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FolderKindsTest : public OpenedFolderFixture {};

// Two parts with an image of the same name; only the names of their folders tell them apart.
class FoldersOfPartsTest : public OpenedFolderFixture {
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

// As Windows' editors and spreadsheets save them.
TEST_F(FolderKindsTest, TextInUtf16) {
  PutImage("a.png");
  Put("boxes.csv", Utf16("filename,class,xmin,ymin,xmax,ymax\r\na.png,cat,1,2,3,4\r\n"));
  EXPECT_THAT(Objects(), ElementsAre("a.png cat 1 2 3 4"));
  Clear();
  PutImage("a.png");
  Put("classes.txt", Utf16("cat\r\n"));
  Put("a.txt", Utf16("0 0.5 0.5 0.5 0.2\r\n"));
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
