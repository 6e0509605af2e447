#include "rcnn/data/sources/file_kind.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

FileKind KindFor(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  EXPECT_THAT(WriteFileAtomically(path, content), IsOk());
  const absl::StatusOr<FileKind> kind = ReadFileKind(path);
  EXPECT_THAT(kind, IsOk());
  return kind.value_or(FileKind());
}

TEST(ReadFileKind, GoesByContent) {
  EXPECT_EQ(KindFor("a.xml", "<annotation><size/></annotation>").kind, AnnotationKind::kVoc);
  EXPECT_EQ(KindFor("a.XML", "<annotations><version>1.1</version><image/>").kind,
            AnnotationKind::kCvat);
  EXPECT_EQ(KindFor("a.txt", "0 0.5 0.5 0.1 0.1\n").kind, AnnotationKind::kYolo);
  EXPECT_EQ(KindFor("a.txt", "0 0.1 0.1 0.2 0.1 0.2 0.2\r\n").kind, AnnotationKind::kYolo);
  EXPECT_EQ(KindFor("a.txt", "0 0.5 0.5 0.1 0.1\r1 0.5 0.5 0.1 0.1\r").kind, AnnotationKind::kYolo);
  EXPECT_EQ(KindFor("a.csv", "filename,class,xmin,ymin,xmax,ymax\ra.jpg,\"a\rb\",1,2,3,4").kind,
            AnnotationKind::kCsv);
  EXPECT_EQ(KindFor("a.txt", "2.0 0.5 0.5 0.1 0.1\n").kind, AnnotationKind::kYolo);
  EXPECT_EQ(KindFor("a.txt", "2.5 0.5 0.5 0.1 0.1\n").kind, AnnotationKind::kNone);
  EXPECT_EQ(KindFor("a.txt", "data/a.jpg\ndata/b c.PNG\n").kind, AnnotationKind::kImageList);
  EXPECT_EQ(KindFor("a.csv", "filename,class,xmin,ymin,xmax,ymax\n").kind, AnnotationKind::kCsv);
  EXPECT_EQ(KindFor("a.json", R"({"version": "5", "shapes": [{"label": "a", "points": []}]})").kind,
            AnnotationKind::kLabelMe);
  EXPECT_EQ(KindFor("a.json", R"({"imagePath": "a.jpg", "shapes": []})").kind,
            AnnotationKind::kLabelMe);
}

TEST(ReadFileKind, KnowsCocoWhateverTheOrder) {
  const FileKind images = KindFor("a.json", R"({"info": {"a": [{"b": 1}]},
      "images": [{"id": 1, "file_name": "a.jpg"}, {"file_name": "b.jpg", "id": 2}],
      "annotations": [], "categories": []})");
  EXPECT_EQ(images.kind, AnnotationKind::kCoco);
  EXPECT_THAT(images.images, ElementsAre("a.jpg", "b.jpg"));
  const FileKind annotations = KindFor("a.json", R"({
      "annotations": [{"id": 1, "image_id": 3, "bbox": [1, 2, 3, 4]}],
      "images": [{"id": 3, "file_name": "c.jpg"}], "categories": []})");
  EXPECT_EQ(annotations.kind, AnnotationKind::kCoco);
  EXPECT_THAT(annotations.images, ElementsAre("c.jpg"));
}

// Such as an index of a file, which precedes what reveals its format.
TEST(ReadFileKind, ManyOtherKeysHideNoFormat) {
  std::string index = "\"0\":0";
  for (int i = 1; i < 110'000; ++i) absl::StrAppend(&index, ",\"", i, "\":0");
  const FileKind coco = KindFor(
      "a.json", absl::StrCat("{\"index\":{", index, "},\"images\":[{\"file_name\":\"a.jpg\"}]}"));
  EXPECT_EQ(coco.kind, AnnotationKind::kCoco);
  EXPECT_THAT(coco.images, ElementsAre("a.jpg"));
  const FileKind labelme =
      KindFor("a.json", absl::StrCat("{", index, ",\"imagePath\":\"a.jpg\",\"shapes\":[]}"));
  EXPECT_EQ(labelme.kind, AnnotationKind::kLabelMe);
  EXPECT_THAT(
      KindFor("a.json", absl::StrCat("{", index, ",\"items\":[],\"categories\":{}}")).obstacle,
      HasSubstr("Datumaro"));
}

// Each key of a section is looked up together with the name of the section.
TEST(ReadFileKind, LongNamesOfSectionsTakeLittleMemory) {
  std::string keys = "\"0\":0";
  for (int i = 1; i < 1000; ++i) absl::StrAppend(&keys, ",\"", i, "\":0");
  const std::string text = absl::StrCat("{\"", std::string(1 << 20, 's'), "\":[{", keys, "}]}");
  const int64_t before = PeakMegabytes();
  EXPECT_EQ(KindFor("a.json", text).kind, AnnotationKind::kNone);
  EXPECT_LT(PeakMegabytes() - before, 200);
}

TEST(ReadFileKind, KnowsFormatsThatAreNotRead) {
  EXPECT_THAT(KindFor("a.json", R"({"a.jpg9": {"filename": "a.jpg", "regions": []}})").obstacle,
              HasSubstr("VGG"));
  EXPECT_THAT(KindFor("a.json", R"([{"image_id": 1, "score": 0.5}])").obstacle,
              HasSubstr("results"));
  EXPECT_THAT(KindFor("a.json", R"({"infos": {}, "categories": {}, "items": []})").obstacle,
              HasSubstr("Datumaro"));
  EXPECT_THAT(KindFor("a.xml", "<annotation><object><polygon/></object></annotation>").obstacle,
              HasSubstr("MIT"));
  EXPECT_THAT(KindFor("a.xml", "<annotations><track id='0'/></annotations>").obstacle,
              HasSubstr("CVAT for video"));
  EXPECT_THAT(KindFor("a.txt", "cat 0.5 0.5 0.1 0.1\n").obstacle, HasSubstr("YOLO with names"));
  EXPECT_THAT(
      KindFor("a.txt", "imagesource:GoogleEarth\ngsd:0.1\n1 2 3 4 5 6 7 8 ship 0\n").obstacle,
      HasSubstr("DOTA"));
  EXPECT_THAT(KindFor("a.csv", "ImageID,Source,LabelName,XMin,XMax\n").obstacle,
              HasSubstr("Open Images"));
}

// Its list of tasks with image and annotations is not CreateML's.
TEST(ReadFileKind, KnowsLabelStudio) {
  const std::string tasks = R"([{"id": 1, "annotations": [{"id": 1, "completed_by": 1, "result": [
      {"original_width": 40, "type": "rectanglelabels", "value": {"x": 1, "y": 2, "width": 3,
       "height": 4, "rectanglelabels": ["cat"]}}]}], "data": {"image": "/data/upload/a.jpg"}}])";
  const std::string data_first =
      R"([{"data": {"image": "a.jpg"}, "annotations": [{"result": []}], "id": 1}])";
  const std::string minimal = R"([{"image": "/data/upload/a.jpg", "id": 1, "label": [{"x": 1,
      "y": 2, "width": 3, "height": 4, "rectanglelabels": ["cat"]}], "annotator": 1}])";
  const std::string polygons = R"([{"image": "/data/upload/a.jpg", "id": 1, "label": [{"points":
      [[1, 2], [3, 4], [1, 4]], "closed": true, "polygonlabels": ["cat"]}], "annotator": 1}])";
  for (const std::string& json : {tasks, data_first, minimal, polygons}) {
    const FileKind kind = KindFor("a.json", json);
    EXPECT_EQ(kind.kind, AnnotationKind::kNone);
    EXPECT_EQ(kind.obstacle,
              "looks like Label Studio (JSON), which is not supported; export it from Label Studio "
              "as COCO, YOLO or Pascal VOC XML, with images");
  }
  EXPECT_THAT(KindFor("a.json", R"([{"image": "a.jpg", "annotations": [{"label": "cat",
      "coordinates": {"x": 1, "y": 2, "width": 3, "height": 4}}]}])")
                  .obstacle,
              HasSubstr("CreateML"));
}

TEST(ReadFileKind, KnowsYoloWithCommas) {
  for (const char* text : {"0,0.5,0.5,0.1,0.1\n1,0.5,0.5,0.1,0.1\n", "0, 0.5, 0.5, 0.1, 0.1\n",
                           "0 0,5 0,5 0,1 0,1\n"}) {
    const FileKind kind = KindFor("a.txt", text);
    EXPECT_EQ(kind.kind, AnnotationKind::kNone) << text;
    EXPECT_THAT(kind.obstacle, HasSubstr("values must be separated by spaces")) << text;
  }
  // Boxes in pixels, as other programs write them.
  EXPECT_EQ(KindFor("a.txt", "684,8,273,116,0,0,0,0\n").obstacle, "");
}

TEST(ReadFileKind, SaysWhichColumnsATableLacks) {
  const FileKind kind = KindFor("a.csv", "filename,class,x,y,width,height\na.jpg,cat,1,2,3,4\n");
  EXPECT_EQ(kind.kind, AnnotationKind::kNone);
  EXPECT_EQ(kind.obstacle, "has no columns xmin, ymin, xmax, ymax");
}

TEST(ReadFileKind, RecognisesLfsPointersAndWideText) {
  constexpr char kPointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  for (const char* name : {"a.json", "a.xml", "a.txt", "a.csv"}) {
    EXPECT_THAT(KindFor(name, kPointer).obstacle, HasSubstr("git lfs pull")) << name;
  }
  const std::string wide("\xff\xfe{\0\"\0", 6);
  EXPECT_THAT(KindFor("a.json", wide).obstacle, HasSubstr("UTF-16"));
  EXPECT_THAT(KindFor("a.json", wide.substr(2)).obstacle, HasSubstr("UTF-16"));
}

// Lists and tables, which spreadsheets and editors save so.
TEST(ReadFileKind, ReadsTextInUtf16) {
  EXPECT_EQ(KindFor("a.txt", Utf16("a.jpg\r\nb.jpg\r\n")).kind, AnnotationKind::kImageList);
  EXPECT_EQ(KindFor("a.txt", Utf16("0 .5 .5 .1 .1\r\n")).kind, AnnotationKind::kYolo);
  EXPECT_EQ(KindFor("a.csv", Utf16("filename,class,xmin,ymin,xmax,ymax\r\n")).kind,
            AnnotationKind::kCsv);
}

TEST(ReadFileKind, OtherFilesAreNone) {
  for (const char* name : {"a.xml", "a.json", "a.txt", "a.csv", "a.md"}) {
    for (const char* content : {"", "x", "{", "[1, 2]", "<a>", "{\"a\": {\"b\": 1}}", "\xff\xfe"}) {
      const FileKind kind = KindFor(name, content);
      EXPECT_EQ(kind.kind, AnnotationKind::kNone) << name << content;
      EXPECT_EQ(kind.obstacle, "") << name << content;
    }
  }
  const absl::StatusOr<FileKind> missing = ReadFileKind("nowhere/a.json");
  ASSERT_THAT(missing, IsOk());
  EXPECT_EQ(missing->kind, AnnotationKind::kNone);
  EXPECT_EQ(missing->obstacle, "is no longer there");
}

// Errors of open and of read: the first leads to itself, the second has no bytes at its beginning.
TEST(ReadFileKind, AFileThatCannotBeReadNowIsAnError) {
  for (const char* extension : {".json", ".xml", ".txt", ".csv"}) {
    for (const std::string target : {"loop", "/proc/self/mem"}) {
      const std::string path = testing::TempDir() + "/loop" + extension;
      fs::remove(path);
      fs::create_symlink(target == "loop" ? path : target, path);
      EXPECT_THAT(ReadFileKind(path),
                  StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot read " + path)));
    }
  }
  if (geteuid() == 0) return;  // root may read everything
  const std::string path = testing::TempDir() + "/closed.txt";
  ASSERT_THAT(WriteFileAtomically(path, "0 0.5 0.5 0.1 0.1\n"), IsOk());
  fs::permissions(path, fs::perms::none);
  EXPECT_THAT(ReadFileKind(path),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("Permission denied")));
}

// A polygon of many corners, and lines that end at any place near those first read.
TEST(ReadFileKind, ReadsAsMuchTextAsItNeeds) {
  std::string corners;
  for (int i = 0; i < 3000; ++i) corners += " 0.123456";
  EXPECT_EQ(KindFor("a.txt", "0" + corners + "\n").kind, AnnotationKind::kYolo);
  for (size_t length = 4080; length < 4110; ++length) {
    const std::string spaces(length, ' ');
    EXPECT_EQ(KindFor("a.txt", "0 0.5 0.5 0.1 0.1" + spaces + "\nnot a box").kind,
              AnnotationKind::kNone);
    EXPECT_EQ(KindFor("a.txt", spaces + "0 0.5 0.5 0.1 0.1\n").kind, AnnotationKind::kYolo);
  }
}

TEST(ReadFileKind, KnowsTextWithoutALine) {
  EXPECT_TRUE(KindFor("a.txt", "").empty);
  EXPECT_TRUE(KindFor("a.txt", " \r\n\n").empty);
  EXPECT_FALSE(KindFor("a.txt", "notes\n").empty);
}

}  // namespace
}  // namespace rcnn::data
