#include "rcnn/eval/text_results.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/utf16.h"
#include "rcnn/eval/testing/mutations.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class TextResultsTest : public ::testing::Test {
 protected:
  TextResultsTest() {
    truth_.images = {{7, "JPEGImages/000005.jpg", false, 200, 100},
                     {9, "JPEGImages/000007.jpg", false, 400, 300},
                     {11, "other/000007.jpg"}};
    truth_.categories = {{3, "cat"}, {5, "traffic light"}};
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    EXPECT_THAT(WriteFileAtomically(path, text), IsOk());
    return path;
  }

  Detections Read(const std::string& path) {
    absl::StatusOr<Detections> results = ReadTextResults(path, truth_);
    EXPECT_THAT(results, IsOk());
    return results.ok() ? *std::move(results) : Detections();
  }

  void ExpectError(const std::string& path, const std::string& text) {
    EXPECT_THAT(ReadTextResults(path, truth_),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  }

  const std::string folder_ = FreshDirectory();
  GroundTruth truth_;
};

TEST_F(TextResultsTest, ReadsVocFilesByClass) {
  Write("comp4_det_test_cat.txt", "000005 0.9 11 21 30 60\r\n\nother/000007.jpg 0.25 1 1 1 1\n");
  Write("comp4_det_test_traffic light.txt", "000005 1e-3 1.5 2.5 3 4\n");
  const Detections results = Read(folder_);
  EXPECT_THAT(results.image_ids, ElementsAre(7, 11, 7));
  EXPECT_THAT(results.category_ids, ElementsAre(3, 3, 5));
  EXPECT_THAT(results.scores, ElementsAre(0.9, 0.25, 1e-3));
  // First and last pixel, 1-based.
  EXPECT_THAT(results.boxes, ElementsAre(XywhBox{10, 20, 20, 40}, XywhBox{0, 0, 1, 1},
                                         XywhBox{0.5, 1.5, 2.5, 2.5}));
}

TEST_F(TextResultsTest, ReadsOneVocFile) {
  EXPECT_EQ(Read(Write("comp3_det_val_cat.txt", "000005 0.9 11 21 30 60\n")).size(), 1);
  EXPECT_EQ(Read(Write("comp4_det_test_cat.txt", "")).size(), 0);
}

TEST_F(TextResultsTest, NamesTheLineOfABadVocFile) {
  ExpectError(Write("comp4_det_test_cat.txt", "\n000005 0.9 1 2 3\n"), "cat.txt:2: has 5 fields");
  ExpectError(Write("comp4_det_test_cat.txt", "000005 high 1 2 3 4\n"), "'high' is not a number");
  ExpectError(Write("comp4_det_test_cat.txt", "000006 0.9 1 2 3 4\n"), "no image '000006'");
  ExpectError(Write("comp4_det_test_cat.txt", "000007 0.9 1 2 3 4\n"), "several images");
  ExpectError(Write("comp4_det_test_dog.txt", ""), "no class 'dog'; it has cat, traffic light");
  ExpectError(Write("comp4_det_test.txt", ""), "no class in its name");
}

TEST_F(TextResultsTest, ReadsYoloFilesByImage) {
  Write("000005.txt", "0 0.5 0.5 0.1 0.2 0.75\n1 0.25 0.5 0.5 1 0.5\n");
  Write("classes.txt", "");
  const Detections results = Read(folder_);
  EXPECT_THAT(results.image_ids, ElementsAre(7, 7));
  EXPECT_THAT(results.category_ids, ElementsAre(3, 5));
  EXPECT_THAT(results.scores, ElementsAre(0.75, 0.5));
  EXPECT_THAT(results.boxes, ElementsAre(XywhBox{90, 40, 20, 20}, XywhBox{0, 0, 100, 100}));
}

TEST_F(TextResultsTest, NamesTheLineOfABadYoloFile) {
  Write("000005.txt", "2 0.5 0.5 0.1 0.2 0.75\n");
  ExpectError(folder_, "000005.txt:1: '2' is not a class; the dataset has 2, the first is 0");
  Write("000005.txt", "0 0.5 0.5 0.1 0.2\n");
  ExpectError(folder_, "has 5 fields, not class, x, y, width, height, confidence");
  Write("000005.txt", "");
  Write("unknown.txt", "0 0.5 0.5 0.1 0.2 0.75\n");
  ExpectError(folder_, "unknown.txt:1: the dataset has no image 'unknown'");
  truth_.images[0] = {7, "unknown.jpg"};
  ExpectError(folder_, "how large the image is");
}

TEST_F(TextResultsTest, ReadsCsv) {
  const Detections results =
      Read(Write("found.csv",
                 "score,class,image,xmin,ymin,xmax,ymax,note\n"
                 "0.5,\"traffic light\",000005,1,2,11,22,\"a, \"\"b\"\"\"\n0.25,cat,"
                 "JPEGImages/000007.jpg,0,0,1,1,\n"));
  EXPECT_THAT(results.image_ids, ElementsAre(7, 9));
  EXPECT_THAT(results.category_ids, ElementsAre(5, 3));
  EXPECT_THAT(results.boxes, ElementsAre(XywhBox{1, 2, 10, 20}, XywhBox{0, 0, 1, 1}));
}

TEST_F(TextResultsTest, NamesTheLineOfABadCsvFile) {
  ExpectError(Write("found.csv", ""), "has no header");
  ExpectError(Write("found.csv", "image,class\n"), "no column 'xmin'; needed are image, class");
  const std::string header = "image,class,xmin,ymin,xmax,ymax,score\n";
  ExpectError(Write("found.csv", header + "000005,cat,1,2\n"), "found.csv:2: has 4 fields");
  ExpectError(Write("found.csv", header + "000005,cow,1,2,3,4,1\n"), "no class 'cow'");
  ExpectError(Write("found.csv", header + "000005,\"cat,1,2,3,4,1\n"), "not closed");
}

TEST_F(TextResultsTest, NamesTheLineOfNumbersThatNoDetectionHas) {
  ExpectError(Write("comp4_det_test_cat.txt", "000005 0.9 1 2 3 4\n000005 nan 1 2 3 4\n"),
              "cat.txt:2: score is nan");
  ExpectError(Write("comp4_det_test_cat.txt", "000005 0.9 9 2 3 4\n"),
              "cat.txt:1: bbox [8, 1, -5, 3] has a negative width or height");
  ExpectError(Write("found.csv", "image,class,xmin,ymin,xmax,ymax,score\n000005,cat,0,0,inf,4,1\n"),
              "found.csv:2: bbox [0, 0, inf, 4] is not finite");
}

TEST_F(TextResultsTest, AFolderHoldsOneFileOfEachClass) {
  Write("comp4_det_test_cat.txt", "000005 0.9 11 21 30 60\n");
  Write("comp3_det_val_cat.txt", "000005 0.9 11 21 30 60\n");
  ExpectError(folder_, "comp4_det_test_cat.txt: a second file of the class 'cat'");
}

TEST_F(TextResultsTest, NamesTheFileThatIsNotLikeTheOthers) {
  Write("comp4_det_test_cat.txt", "000005 0.9 11 21 30 60\n");
  Write("readme.txt", "");
  ExpectError(folder_, "readme.txt: is not named like VOC's other files");
}

TEST_F(TextResultsTest, PixelsInAYoloFileAreAnError) {
  Write("000005.txt", "0 0.5 1.25 0.1 0.2 0.75\n0 100 50 20 20 0.75\n");
  ExpectError(folder_, "000005.txt:2: '100' is not a fraction of the image's size");
}

TEST_F(TextResultsTest, SkipsUnknownClassesOnRequest) {
  Write("comp4_det_test_cat.txt", "000005 0.9 11 21 30 60\n");
  Write("comp4_det_test_dog.txt", "000005 0.9 11 21 30 60\n000005 0.8 11 21 30 60\n");
  ExpectError(folder_, "no class 'dog'");
  int64_t skipped = -1;
  absl::StatusOr<Detections> results = ReadTextResults(folder_, truth_, &skipped);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->size(), 1);
  EXPECT_EQ(skipped, 2);
  results = ReadTextResults(
      Write("found.csv",
            "image,class,xmin,ymin,xmax,ymax,score\n000005,dog,0,0,1,1,1\n000005,cat,0,0,1,1,1\n"),
      truth_, &skipped);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->size(), 1);
  EXPECT_EQ(skipped, 1);
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  Write("000005.txt", "0 0.5 0.5 0.1 0.2 0.75\n7 0.5 0.5 0.1 0.2 0.75\n");
  results = ReadTextResults(folder_, truth_, &skipped);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->size(), 1);
  EXPECT_EQ(skipped, 1);
}

TEST_F(TextResultsTest, APathGoesBeforeTheNameOfAnotherImage) {
  truth_.images = {{7, "000005.jpg"}, {9, "other/000005.jpg"}};
  EXPECT_THAT(Read(Write("comp4_det_test_cat.txt",
                         "000005.jpg 0.9 11 21 30 60\nother/000005.jpg 0.8 11 21 30 60\n"))
                  .image_ids,
              ElementsAre(7, 9));
  ExpectError(Write("comp4_det_test_cat.txt", "000005 0.9 11 21 30 60\n"), "several images");
}

TEST_F(TextResultsTest, ReadsCsvOfSpreadsheets) {
  const std::string text =
      "image;class;xmin;ymin;xmax;ymax;score;note\r\n000005;cat;1;2;11;22;0.5;\r\n";
  EXPECT_EQ(Read(Write("semicolons.csv", text)).size(), 1);
  std::string tabs = text;
  std::replace(tabs.begin(), tabs.end(), ';', '\t');
  EXPECT_EQ(Read(Write("tabs.csv", tabs)).size(), 1);
  EXPECT_EQ(Read(Write("utf16.csv", data::Utf16(tabs))).size(), 1);
  EXPECT_EQ(Read(Write("marked.csv", "\xef\xbb\xbf" + text)).size(), 1);
  EXPECT_EQ(Read(Write("excel.csv", "\xef\xbb\xbfsep=;\r\n" + text)).size(), 1);
  EXPECT_EQ(Read(Write("quoted.csv", "\xef\xbb\xbf\"sep=;\"\r\n" + text)).size(), 1);
}

TEST_F(TextResultsTest, DecimalCommasNeedAnotherSeparator) {
  const std::string text =
      "image;class;xmin;ymin;xmax;ymax;score\n000005;cat;1,5;2;11,5;22;0,75\n"
      "000005;cat;0;0;1;1;1e-1\n";
  const Detections results = Read(Write("semicolons.csv", text));
  EXPECT_THAT(results.boxes, ElementsAre(XywhBox{1.5, 2, 10, 20}, XywhBox{0, 0, 1, 1}));
  EXPECT_THAT(results.scores, ElementsAre(0.75, 0.1));
  const std::string header = "image,class,xmin,ymin,xmax,ymax,score\n";
  ExpectError(Write("commas.csv", header + "000005,cat,1,2,3,4,\"0,5\"\n"),
              "commas.csv:2: '0,5' is not a number; write it with a decimal point");
  ExpectError(Write("bad.csv", text + "000005;cat;1,2,3;2;11;22;1\n"),
              "bad.csv:4: '1,2,3' is not a number");
}

// Then "1,234" is 1234 with a comma for thousands, or 1.234.
TEST_F(TextResultsTest, DecimalCommasAndPointsInOneFileAreAnError) {
  const std::string header = "image\tclass\txmin\tymin\txmax\tymax\tscore\n";
  const std::string comma = "000005\tcat\t1\t2\t1,234\t22\t1\n";
  const std::string point = "000005\tcat\t1\t2\t11\t22\t0.5\n";
  EXPECT_EQ(Read(Write("found.csv", header + comma)).boxes.at(0).width, 1.234 - 1);
  ExpectError(Write("found.csv", header + point + comma),
              "found.csv:3: '1,234': numbers with a comma and with a point in one file");
  ExpectError(Write("found.csv", header + comma + point),
              "found.csv:3: '0.5': numbers with a comma");
  ExpectError(Write("found.csv", header + "000005\tcat\t1\t2\t1,234\t22\t0.5\n"),
              "found.csv:2: '0.5': numbers with a comma");
}

TEST_F(TextResultsTest, CsvNeedsEveryColumnOnceAndNoFieldMore) {
  const std::string header = "image,class,xmin,ymin,xmax,ymax,score";
  ExpectError(Write("found.csv", header + ",Score\n"),
              "found.csv:1: the header has two columns 'score'");
  ExpectError(Write("found.csv", header + "\n000005,cat,1,2,3,4,1,5\n"),
              "found.csv:2: has 8 fields, the header has 7");
}

// What is read of damaged text is valid; what is refused is refused in the first line that is bad:
// without it and what follows the rest is read, and with it alone at the end the error is the same.
class DamagedTextTest : public TextResultsTest {
 protected:
  void Check(const std::string& name, const std::string& whole, uint64_t seed) {
    SCOPED_TRACE(absl::StrCat(name, ", seed ", seed));
    const std::string text = testing::Mutate(whole, seed);
    const std::string path = folder_ + "/" + name;
    const absl::StatusOr<Detections> results = ReadThis(path, text);
    ++counts_[results.ok()];
    if (results.ok()) {
      EXPECT_THAT(ValidateDetections(*results, truth_), IsOk());
      return;
    }
    const std::string message(results.status().message());
    if (absl::StartsWith(message, path + ": has no header")) return;
    ASSERT_THAT(message, StartsWith(path + ":"));
    const std::vector<std::string> lines = absl::StrSplit(text, '\n');
    int64_t line = 0;
    const std::vector<std::string> parts =
        absl::StrSplit(message.substr(path.size() + 1), absl::MaxSplits(':', 1));
    ASSERT_TRUE(absl::SimpleAtoi(parts[0], &line)) << message;
    ASSERT_GE(line, 1);
    ASSERT_LE(line, static_cast<int64_t>(lines.size()));
    const auto first = [&](int64_t count) {
      return absl::StrJoin(lines.begin(), lines.begin() + count, "\n");
    };
    EXPECT_EQ(ReadThis(path, first(line)).status(), results.status());
    const absl::Status before = ReadThis(path, first(line - 1)).status();
    EXPECT_TRUE(before.ok() || absl::StrContains(before.message(), ": has no header")) << before;
  }

  absl::StatusOr<Detections> ReadThis(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    return ReadTextResults(IsYolo(path) ? folder_ : path, truth_);
  }

  static bool IsYolo(const std::string& path) { return absl::EndsWith(path, "/000005.txt"); }

  int64_t counts_[2] = {0, 0};  // refused, read
};

TEST_F(DamagedTextTest, IsReadOrRefusedByLine) {
  const std::pair<const char*, const char*> texts[] = {
      {"comp4_det_test_cat.txt",
       "000005 0.9 11 21 30 60\n000005 0.75 1 1 20 30\n\nother/000007.jpg 0.25 1 1 1 1\n"
       "000005 1e-3 1.5 2.5 3 4\n"},
      {"000005.txt", "0 0.5 0.5 0.1 0.2 0.75\n1 0.25 0.5 0.5 1 0.5\n0 0.1 0.2 0.05 0.06 0.25\n"},
      {"found.csv",
       "score,class,image,xmin,ymin,xmax,ymax,note\n0.5,\"traffic light\",000005,1,2,11,22,\"a, "
       "\"\"b\"\"\"\n0.25,cat,JPEGImages/000007.jpg,0,0,1,1,\n0.125,cat,000005,3,4,5,6,\n"}};
  for (const auto& [name, text] : texts) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    counts_[0] = counts_[1] = 0;
    for (uint64_t seed = 0; seed < 800; ++seed) Check(name, text, seed);
    EXPECT_GT(counts_[0], 100) << name;
    EXPECT_GT(counts_[1], 8) << name;
  }
}

// It may be a folder. No user can follow a link to itself.
TEST_F(TextResultsTest, WhatCannotBeExaminedNowIsNotAFileOfAnotherName) {
  const std::string loop = folder_ + "/loop";
  std::filesystem::remove(loop);
  std::filesystem::create_symlink("loop", loop);
  EXPECT_THAT(ReadTextResults(loop, truth_, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(loop)));
}

TEST_F(TextResultsTest, TellsTextFromJson) {
  EXPECT_TRUE(IsTextResults(folder_));
  EXPECT_TRUE(IsTextResults("absent.csv"));
  EXPECT_FALSE(IsTextResults("absent.json"));
  ExpectError(folder_, "has no .txt files");
  ExpectError(Write("found.txt", ""), "comp4_det_test_<class>.txt");
}

}  // namespace
}  // namespace rcnn::eval
