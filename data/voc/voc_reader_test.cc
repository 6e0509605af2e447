#include "rcnn/data/voc/voc_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

configs::DatasetConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<configs::DatasetConfig>(text);
}

std::string ObjectXml(absl::string_view name, int xmin, int ymin, int xmax, int ymax) {
  return absl::StrCat("<object><name>", name, "</name><bndbox><xmin>", xmin, "</xmin><ymin>", ymin,
                      "</ymin><xmax>", xmax, "</xmax><ymax>", ymax, "</ymax></bndbox></object>");
}

// Builds a dataset of images of 64 x 48 pixels in its own folder.
class VocReaderTest : public testing::Test {
 protected:
  VocReaderTest() {
    for (const char* part : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
      EXPECT_THAT(CreateDirectories(absl::StrCat(folder_, "/", part)), IsOk());
    }
  }

  void Write(const std::string& file, absl::string_view bytes) {
    const absl::Status status =
        WriteFileAtomically(absl::StrCat(folder_, "/", file), bytes).status();
    ASSERT_THAT(status, IsOk());
  }

  void WriteImage(const std::string& file) {
    Image black(48, 64);
    std::fill_n(black.data(), black.size_bytes(), 0);
    Write(absl::StrCat("JPEGImages/", file), EncodeFor(file, black).value());
  }

  void WriteXml(const std::string& name, absl::string_view objects,
                absl::string_view rest = "<size><width>64</width><height>48</height></size>") {
    Write(absl::StrCat("Annotations/", name, ".xml"),
          absl::StrCat("<annotation>", rest, objects, "</annotation>"));
  }

  void WritePair(const std::string& name, absl::string_view objects) {
    WriteImage(name + ".jpg");
    WriteXml(name, objects);
  }

  AnnotationTable Read(const std::string& config) {
    absl::StatusOr<AnnotationTable> table = ReadVoc(Config(config), folder_);
    EXPECT_THAT(table, IsOk());
    return table.ok() ? *table : AnnotationTable();
  }

  absl::Status Error(const std::string& config) {
    return ReadVoc(Config(config), folder_).status();
  }

  // The only defect of the dataset, as a line.
  std::string OnlyDefect(const std::string& config = "voc {}") {
    const AnnotationTable table = Read(config);
    EXPECT_EQ(table.defects.total(), 1);
    return table.defects.ToString(10);
  }

  const std::string folder_ = FreshDirectory();
};

std::vector<std::string> ListNames(const AnnotationTable& table) {
  std::vector<std::string> names;
  for (const ImageInfo& info : table.images) names.push_back(info.name);
  return names;
}

TEST_F(VocReaderTest, ConvertsOneBasedInclusivePixelsToContinuousBoxes) {
  WritePair("a", ObjectXml("cat", 1, 1, 64, 48) + ObjectXml("cat", 11, 21, 30, 40));
  const AnnotationTable table = Read("voc {}");
  ASSERT_EQ(table.objects.size(), 2u);
  EXPECT_EQ(table.objects[0].box, (Box{0, 0, 64, 48}));
  EXPECT_EQ(table.objects[1].box, (Box{10, 20, 30, 40}));
  EXPECT_THAT(table.objects[1].xywh, ElementsAre(10, 20, 20, 20));
  EXPECT_EQ(table.objects[1].area, 400);
}

// "About 200 bytes of memory for each name" (SECURITY.md).
TEST_F(VocReaderTest, MemoryOfAListIsBoundedByItsNames) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  WritePair("a", ObjectXml("cat", 1, 1, 64, 48));
  constexpr int64_t kNames = 1'000'000;
  std::string list;
  for (int64_t i = 0; i < kNames; ++i) list += "a\n";
  Write("ImageSets/Main/train.txt", list);
  const int64_t peak = MeasurePeakBytes([&] { Error("voc { split: 'train' }").IgnoreError(); });
  EXPECT_GE(peak, 0);
  EXPECT_LE(peak, 200 * kNames);
}

TEST_F(VocReaderTest, CountsMoreDefectsOfAListThanItKeeps) {
  WritePair("a", ObjectXml("cat", 1, 1, 64, 48));
  std::string list = "a\n";
  for (int64_t i = 0; i < DefectReport::kMaxKept + 5; ++i) list += i % 2 == 0 ? "a\n" : "b\n";
  Write("ImageSets/Main/train.txt", list + "../c\n");
  const AnnotationTable table = Read("voc { split: 'train' }");
  EXPECT_THAT(ListNames(table), ElementsAre("a"));
  const std::map<DefectKind, int64_t>& counts = table.defects.counts();
  EXPECT_EQ(table.defects.total(), DefectReport::kMaxKept + 6);
  EXPECT_EQ(counts.at(DefectKind::kMissingAnnotation), 1);
  EXPECT_EQ(counts.at(DefectKind::kUnsafeFileName), 1);
  EXPECT_EQ(counts.at(DefectKind::kDuplicateImage), DefectReport::kMaxKept + 4);
  EXPECT_EQ(table.defects.defects().front().file, "Annotations/a.xml");
}

TEST_F(VocReaderTest, SupportsOtherConventions) {
  WritePair("a", ObjectXml("cat", 10, 20, 30, 40));
  EXPECT_EQ(Read("voc { coordinates: ZERO_BASED_INCLUSIVE }").objects[0].box,
            (Box{10, 20, 31, 41}));
  EXPECT_EQ(Read("voc { coordinates: CONTINUOUS }").objects[0].box, (Box{10, 20, 30, 40}));
  EXPECT_EQ(Read("voc {} inclusive_boxes: true").objects[0].box, (Box{9, 19, 29, 39}));
}

TEST_F(VocReaderTest, ReadsTheListedImagesInTheirOrder) {
  for (const char* name : {"a", "b", "c"}) WritePair(name, ObjectXml("cat", 1, 1, 9, 9));
  Write("ImageSets/Main/train.txt", "c\na.jpg\n");
  const AnnotationTable table = Read("voc { split: 'train' }");
  EXPECT_THAT(ListNames(table), ElementsAre("c", "a"));
  EXPECT_EQ(table.images[1].id, 2);
  EXPECT_EQ(table.images[1].path, folder_ + "/JPEGImages/a.jpg");
  EXPECT_THAT(ListNames(Read("voc {}")), ElementsAre("a", "b", "c"));
}

// A link to itself can be read as little as a file on a disk with errors.
TEST_F(VocReaderTest, WhatCannotBeReadNowIsNotADefect) {
  for (const char* name : {"a", "b"}) WritePair(name, ObjectXml("cat", 1, 1, 9, 9));
  for (const std::string& file :
       {std::string("JPEGImages/b.jpg"), std::string("Annotations/b.xml")}) {
    const std::string path = absl::StrCat(folder_, "/", file), aside = folder_ + "/aside";
    std::filesystem::rename(path, aside);
    std::filesystem::create_symlink(path, path);
    for (const char* config : {"voc {}", "voc { coordinates: CONTINUOUS } classes: 'cat'"}) {
      EXPECT_THAT(Error(config), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path)));
    }
    std::filesystem::rename(aside, path);
    EXPECT_THAT(Error("voc {}"), IsOk());
  }
}

TEST_F(VocReaderTest, ClassesOfASplitAreThoseOfTheWholeSet) {
  WritePair("a", ObjectXml("dog", 1, 1, 9, 9));
  WritePair("b", ObjectXml("cat", 1, 1, 9, 9));
  Write("ImageSets/Main/train.txt", "a\n");
  const AnnotationTable table = Read("voc { split: 'train' }");
  EXPECT_THAT(table.classes.names, ElementsAre("cat", "dog"));
  EXPECT_EQ(table.objects[0].label, 2);
}

TEST_F(VocReaderTest, InvalidClassNameAffectsOnlyItsObject) {
  WritePair("a", ObjectXml("c&#1;t", 1, 1, 9, 9) + ObjectXml("dog", 1, 1, 9, 9));
  const AnnotationTable table = Read("voc {}");
  EXPECT_THAT(table.classes.names, ElementsAre("dog"));
  EXPECT_EQ(table.defects.ToString(10),
            "Annotations/a.xml: object 0: unknown class: \"c\\x01t\": object dropped\n");
}

TEST_F(VocReaderTest, ClassesOfTheConfigKeepTheirOrder) {
  WritePair("a", ObjectXml("dog", 1, 1, 9, 9) + ObjectXml("cow", 1, 1, 9, 9));
  EXPECT_THAT(OnlyDefect("voc {} classes: ['dog', 'cat']"),
              HasSubstr("Annotations/a.xml: object 1: unknown class: \"cow\": object dropped"));
  const AnnotationTable table = Read("voc {} classes: ['dog', 'cat'] ignore_other_classes: true");
  EXPECT_EQ(table.objects.size(), 1u);
  EXPECT_TRUE(table.defects.empty());
}

TEST_F(VocReaderTest, KeepsDifficultWithItsMark) {
  WritePair("a",
            "<object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
            "<xmax>9</xmax><ymax>9</ymax></bndbox></object>");
  EXPECT_TRUE(Read("voc {}").objects[0].difficult);
  EXPECT_TRUE(Read("voc {} difficult: LEAVE_OUT").objects.empty());
}

TEST_F(VocReaderTest, ReportsEveryInvalidBox) {
  WritePair("a", absl::StrCat(ObjectXml("cat", 5, 5, 5, 5), ObjectXml("cat", 30, 5, 20, 9),
                              ObjectXml("cat", 60, 5, 70, 9), ObjectXml("cat", 80, 5, 90, 9),
                              ObjectXml("cat", 0, 5, 9, 9), ObjectXml("cat", 2, 5, 9, 9)));
  const AnnotationTable table = Read("voc {}");
  EXPECT_EQ(
      table.defects.ToString(10),
      "Annotations/a.xml: object 0: zero size: (5, 5, 5, 5): object dropped\n"
      "Annotations/a.xml: object 1: negative size: (30, 5, 20, 9): object dropped\n"
      "Annotations/a.xml: object 2: partly outside the image: (60, 5, 70, 9) in 64 x 48: object "
      "dropped\n"
      "Annotations/a.xml: object 3: outside the image: (80, 5, 90, 9) in 64 x 48: object dropped\n"
      "Annotations/a.xml: object 4: partly outside the image: (0, 5, 9, 9) in 64 x 48: object "
      "dropped\n");
  ASSERT_EQ(table.objects.size(), 1u);
  EXPECT_EQ(table.objects[0].id, 6);
}

TEST_F(VocReaderTest, ClipsByPolicy) {
  WritePair("a", ObjectXml("cat", 0, 5, 70, 9));
  const AnnotationTable table = Read("voc {} defect_policy: CLIP");
  EXPECT_EQ(table.objects[0].box, (Box{0, 4, 64, 9}));
  EXPECT_EQ(table.defects.count(DefectAction::kClipped), 1);
}

TEST_F(VocReaderTest, RefusesByPolicy) {
  WritePair("a", ObjectXml("cat", 5, 5, 5, 5));
  EXPECT_THAT(Error("voc {} defect_policy: ERROR"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Annotations/a.xml: object 0: zero size: (5, 5, 5, 5)")));
}

TEST_F(VocReaderTest, ReportsMissingFields) {
  WritePair("a", "<object><bndbox/></object>" + ObjectXml("cat", 1, 1, 9, 9));
  EXPECT_THAT(OnlyDefect(), HasSubstr("object 0: missing field: name"));
}

TEST_F(VocReaderTest, TakesTheImagesOwnSize) {
  WriteImage("a.jpg");
  WriteXml("a", ObjectXml("cat", 1, 1, 64, 9), "<size><width>48</width><height>64</height></size>");
  const AnnotationTable table = Read("voc {}");
  EXPECT_EQ(table.images[0].width, 64);
  EXPECT_EQ(table.objects.size(), 1u);
  EXPECT_EQ(table.defects.ToString(10),
            "Annotations/a.xml: wrong image size: 48 x 64, the image has 64 x 48: kept\n");
  WriteXml("a", ObjectXml("cat", 1, 1, 64, 9), "");
  EXPECT_THAT(OnlyDefect(), HasSubstr("missing field: size: kept"));
}

TEST_F(VocReaderTest, DropsUnusableImages) {
  WritePair("good", ObjectXml("cat", 1, 1, 9, 9));
  WriteXml("lost", "");
  WriteImage("bare.jpg");
  WritePair("broken", "<object>");
  WriteXml("text", "");
  Write("JPEGImages/text.jpg", "hello");
  Write("ImageSets/Main/all.txt", "good\nlost\nbare\nbroken\ntext\ngood\n../../etc/passwd\n");
  const AnnotationTable table = Read("voc { split: 'all' }");
  EXPECT_THAT(ListNames(table), ElementsAre("good"));
  const std::string report = table.defects.ToString(10);
  for (const char* line :
       {"Annotations/lost.xml: missing image: JPEGImages/lost.jpg: image dropped",
        "Annotations/bare.xml: missing annotation: image dropped",
        "Annotations/broken.xml: unreadable annotation: not valid XML",
        "Annotations/text.xml: unreadable image", "Annotations/good.xml: image listed twice",
        "unsafe file name: ../../etc/passwd"}) {
    EXPECT_THAT(report, HasSubstr(line));
  }
  EXPECT_EQ(table.defects.total(), 6);
}

TEST_F(VocReaderTest, FindsAnImageByTheNameInItsAnnotation) {
  WriteImage("IMG 7.png");
  WriteXml("a", ObjectXml("cat", 1, 1, 9, 9),
           "<filename>IMG 7.png</filename><size><width>64</width><height>48</height></size>");
  const AnnotationTable table = Read("voc {}");
  EXPECT_EQ(table.images[0].path, folder_ + "/JPEGImages/IMG 7.png");
  EXPECT_TRUE(table.defects.empty());
}

TEST_F(VocReaderTest, AFileNameNeverLeadsOutOfTheFolder) {
  Write("secret.jpg", "x");
  for (const char* file : {"../secret.jpg", "/etc/passwd", "sub/../../secret.jpg"}) {
    WriteXml("a", "", absl::StrCat("<filename>", file, "</filename>"));
    WritePair("b", ObjectXml("cat", 1, 1, 9, 9));
    EXPECT_THAT(OnlyDefect(),
                HasSubstr(absl::StrCat("unsafe file name: ", file, ": image dropped")));
  }
}

TEST_F(VocReaderTest, NamesMissingFoldersAndLists) {
  EXPECT_THAT(ReadVoc(Config("voc {}"), folder_ + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none/Annotations")));
  // Every program fails here, so the message advises none.
  EXPECT_THAT(Error("voc {}"), StatusIs(absl::StatusCode::kInvalidArgument,
                                        AllOf(HasSubstr("no classes: none of the annotations in "),
                                              Not(HasSubstr("bazelw")))));
  EXPECT_THAT(Error("voc {} classes: 'cat'"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no images are left")));
  EXPECT_THAT(
      Error("voc { split: 'none' }"),
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("ImageSets/Main/none.txt"),
                     HasSubstr("a VOC dataset has the lists of its splits in this folder"))));
  Write("ImageSets/Main/empty.txt", "\n\n");
  Write("ImageSets/Main/all.txt", "a\n");
  EXPECT_THAT(Error("voc { split: 'none' }"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("; the lists there: all, empty")));
  EXPECT_THAT(Error("voc { split: 'empty' }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("an empty list; write an image name on each line")));
  EXPECT_THAT(ReadVoc(Config("voc { split: '../../x' }"), folder_), ::testing::Not(IsOk()));
  EXPECT_THAT(Error("voc {} classes: ['a', 'b', 'a']"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a\" is listed twice")));
}

TEST_F(VocReaderTest, KeepsImagesWithoutObjects) {
  WritePair("a", "");
  EXPECT_EQ(Read("voc {} classes: 'cat'").num_images(), 1);
  EXPECT_THAT(Error("voc {} classes: 'cat' leave_out_empty_images: true"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no images are left")));
}

// Real images of blood cells with real defects, if the dataset is available.
TEST(VocReaderOnBccd, FindsExactlyTheTwoBoxesOfZeroSize) {
  const char* folder = std::getenv("RCNN_BCCD");
  if (folder == nullptr) GTEST_SKIP() << "RCNN_BCCD does not name the BCCD folder";
  absl::StatusOr<AnnotationTable> table = ReadVoc(Config("voc {}"), folder);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->num_images(), 364);
  EXPECT_EQ(table->objects.size(), 4886u);
  EXPECT_THAT(table->classes.names, ElementsAre("Platelets", "RBC", "WBC"));
  const std::string report = table->defects.ToString(10);
  EXPECT_EQ(table->defects.total(), 2) << report;
  EXPECT_THAT(report, HasSubstr("BloodImage_00338.xml"));
  EXPECT_THAT(report, HasSubstr("zero size: (504, 337, 504, 337)"));
  EXPECT_THAT(report, HasSubstr("BloodImage_00343.xml"));
  EXPECT_EQ(ReadVoc(Config("voc { split: 'test' }"), folder)->num_images(), 72);
}

TEST_F(VocReaderTest, TheNameInTheAnnotationDecidesBetweenImagesOfOneName) {
  WritePair("a", ObjectXml("cat", 1, 1, 9, 9));
  WriteImage("a.png");
  EXPECT_EQ(Read("voc {}").images[0].path, folder_ + "/JPEGImages/a.jpg");
  for (const char* name : {"a.png", "images/a.png", R"(C:\images\a.png)", "/home/joe/a.png"}) {
    WriteXml("a", "",
             absl::StrCat("<filename>", name, "</filename>",
                          "<size><width>64</width><height>48</height></size>"));
    EXPECT_EQ(Read("voc {} classes: 'cat'").images[0].path, folder_ + "/JPEGImages/a.png") << name;
  }
}

TEST_F(VocReaderTest, FoldersAndWrongExtensionsOfTheNameInTheAnnotationAreNoObstacle) {
  WriteImage("IMG_7.png");
  for (const char* name : {"IMG_7.jpg", "x/y/IMG_7.png", R"(D:\x\IMG_7.bmp)", "/x/IMG_7"}) {
    WriteXml("a", ObjectXml("cat", 1, 1, 9, 9),
             absl::StrCat("<filename>", name,
                          "</filename><size><width>64</width><height>48</height></size>"));
    EXPECT_EQ(Read("voc {}").images[0].path, folder_ + "/JPEGImages/IMG_7.png") << name;
  }
}

// Some tools copy the name to all files; that must not merge the images.
TEST_F(VocReaderTest, TheAnnotationsOwnNameComesFirst) {
  for (const char* name : {"a", "b"}) {
    WriteImage(absl::StrCat(name, ".jpg"));
    WriteXml(name, ObjectXml("cat", 1, 1, 9, 9),
             "<filename>a.jpg</filename><size><width>64</width><height>48</height></size>");
  }
  EXPECT_EQ(Read("voc {}").images[1].path, folder_ + "/JPEGImages/b.jpg");
}

TEST_F(VocReaderTest, ExtensionsCountInAnyCase) {
  WriteImage("a.jpg");
  const std::string jpeg = ReadFile(folder_ + "/JPEGImages/a.jpg").value();
  for (const char* file : {"b.Jpg", "c.jfif", "d.JPE", "e.JPEG"}) {
    Write(absl::StrCat("JPEGImages/", file), jpeg);
  }
  for (const char* name : {"a", "b", "c", "d", "e"}) WriteXml(name, ObjectXml("cat", 1, 1, 9, 9));
  std::filesystem::rename(folder_ + "/Annotations/b.xml", folder_ + "/Annotations/b.XML");
  Write("Annotations/._a.xml", "a resource fork of macOS");
  const AnnotationTable table = Read("voc {}");
  EXPECT_THAT(ListNames(table), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_TRUE(table.defects.empty()) << table.defects.ToString(5);
  EXPECT_EQ(table.objects.size(), 5u);
  EXPECT_EQ(table.images[2].path, folder_ + "/JPEGImages/c.jfif");
}

TEST_F(VocReaderTest, ListsAreReadAsTheyAreWritten) {
  for (const char* name : {"dog", "dog 0", "gr\xc3\xbcn"}) {
    WritePair(name, ObjectXml("cat", 1, 1, 9, 9));
  }
  Write("ImageSets/Main/numbers.txt", "dog 0\r\ndog 1\r\n");
  EXPECT_THAT(ListNames(Read("voc { split: 'numbers' }")), ElementsAre("dog 0", "dog"));
  Write("ImageSets/Main/wide.txt", Utf16("dog\r\ngr\xfcn\r\n"));
  EXPECT_THAT(ListNames(Read("voc { split: 'wide' }")), ElementsAre("dog", "gr\xc3\xbcn"));
}

TEST_F(VocReaderTest, RecognisesCoordinatesOverTheWholeSetIfToldSo) {
  WritePair("a", ObjectXml("cat", 0, 0, 9, 9) + ObjectXml("cat", 20, 10, 64, 48));
  WritePair("b", ObjectXml("cat", 11, 12, 20, 20));
  Write("ImageSets/Main/b.txt", "b\n");
  AnnotationTable table = Read("voc { split: 'b' coordinates: RECOGNISED } classes: 'cat'");
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(11, 12, 9, 8)) << "edges";
  EXPECT_THAT(table.defects.notices(), ElementsAre(HasSubstr("CONTINUOUS")));
  WritePair("a", ObjectXml("cat", 0, 0, 9, 9) + ObjectXml("cat", 20, 10, 63, 47));
  table = Read("voc { split: 'b' coordinates: RECOGNISED } classes: 'cat'");
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(11, 12, 10, 9)) << "pixels from 0";
  WritePair("a", ObjectXml("cat", 1, 1, 9, 9));
  table = Read("voc { split: 'b' coordinates: RECOGNISED }");
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(10, 11, 10, 9)) << "pixels from 1";
  EXPECT_THAT(table.defects.notices(), IsEmpty());
}

TEST_F(VocReaderTest, WithoutAFieldCoordinatesAreTheDevkitsAndANoticeNamesIt) {
  WritePair("a", ObjectXml("cat", 0, 4, 9, 9) + ObjectXml("cat", 20, 10, 63, 47));
  const AnnotationTable table = Read("voc {}");
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(19, 9, 44, 38));
  EXPECT_THAT(table.defects.notices(),
              testing::Contains(
                  AllOf(HasSubstr("voc.coordinates: ZERO_BASED_INCLUSIVE"), HasSubstr("2 boxes"))));
  EXPECT_THAT(
      Read("voc { coordinates: ONE_BASED_INCLUSIVE } overrun_tolerance_px: 0.05").defects.notices(),
      ElementsAre("1 of 2 objects (50.0 %) is lost to defects"));
}

TEST_F(VocReaderTest, BoxesAtMostOnePixelOutsideAreClippedIfTheToleranceSaysSo) {
  WritePair("a", ObjectXml("cat", 0, 1, 9, 49) + ObjectXml("cat", 1, 1, 66, 9));
  const std::string fixed = "voc { coordinates: ONE_BASED_INCLUSIVE } ";
  AnnotationTable table = Read(fixed + "overrun_tolerance_px: 1");
  ASSERT_EQ(table.objects.size(), 1u);
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(0, 0, 9, 48));
  EXPECT_EQ(table.defects.total(), 1) << "two pixels are a defect";
  EXPECT_THAT(table.defects.notices(),
              testing::Contains("1 box that leaves the image by at most 1 px is trimmed to it"));
  table = Read(fixed);
  EXPECT_EQ(table.objects.size(), 0u);
  EXPECT_EQ(table.defects.total(), 2);
  EXPECT_THAT(table.defects.notices(), testing::Contains(HasSubstr("overrun_tolerance_px: 1")));
}

TEST_F(VocReaderTest, FractionsNeedAField) {
  WritePair("a", "");
  WriteXml("a",
           "<object><name>cat</name><bndbox><xmin>0.25</xmin><ymin>0.5</ymin><xmax>0.75</xmax>"
           "<ymax>1</ymax></bndbox></object>");
  EXPECT_THAT(Error("voc {}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("box_units: FRACTIONS")));
  const AnnotationTable table = Read("voc {} box_units: FRACTIONS");
  EXPECT_THAT(table.objects[0].xywh, ElementsAre(16, 24, 32, 24));
}

}  // namespace
}  // namespace rcnn::data
