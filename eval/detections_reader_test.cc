#include "rcnn/eval/detections_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kRecord[] =
    R"({"image_id": 42, "category_id": 18, "bbox": [1.5, 2, 3e1, 4.25], "score": 0.875})";

bool Same(const Detections& a, const Detections& b) {
  return a.image_ids == b.image_ids && a.category_ids == b.category_ids && a.boxes == b.boxes &&
         a.scores == b.scores;
}

TEST(ParseDetectionsTest, ReadsTheFields) {
  const auto detections = ParseDetections(absl::StrCat("[", kRecord, "]"));
  ASSERT_THAT(detections, IsOk());
  ASSERT_EQ(detections->size(), 1);
  const Detection d = (*detections)[0];
  EXPECT_EQ(d.image_id, 42);
  EXPECT_EQ(d.category_id, 18);
  EXPECT_EQ(d.box, (XywhBox{1.5, 2, 30, 4.25}));
  EXPECT_EQ(d.score, 0.875);
}

TEST(ParseDetectionsTest, EmptyArrayHasNone) {
  for (const char* json : {"[]", " [ \n] "}) {
    const auto detections = ParseDetections(json);
    ASSERT_THAT(detections, IsOk());
    EXPECT_EQ(detections->size(), 0);
  }
}

TEST(ParseDetectionsTest, SkipsOtherFieldsTakesTheLastOfRepeatedAndWholeFloats) {
  const auto detections = ParseDetections(
      R"([{"score": 1, "segmentation": {"counts": "a\"},{b", "size": [[1]]}, "score": 0.25,
           "bbox": [0, 0, 1, 1], "category_id": 3.0, "image_id": -7}])");
  ASSERT_THAT(detections, IsOk());
  EXPECT_EQ((*detections)[0].score, 0.25);
  EXPECT_EQ((*detections)[0].category_id, 3);
  EXPECT_EQ((*detections)[0].image_id, -7);
}

TEST(ParseDetectionsTest, NumbersAreRoundedCorrectly) {
  const auto detections = ParseDetections(
      R"([{"image_id": 9223372036854775807, "category_id": 1, "score": 0.1,
           "bbox": [0.30000000000000004, 1e-320, 1234567890123456789012345678.9, 2.2250738585072014e-308]}])");
  ASSERT_THAT(detections, IsOk());
  EXPECT_EQ((*detections)[0].image_id, 9223372036854775807);
  EXPECT_EQ((*detections)[0].box,
            (XywhBox{0.30000000000000004, 1e-320, 1.2345678901234568e27, 2.2250738585072014e-308}));
}

TEST(ParseDetectionsTest, NamesTheRecordAndTheProblem) {
  const struct {
    const char* record;
    const char* message;
  } kCases[] = {
      {R"({"category_id": 1, "bbox": [0, 0, 1, 1], "score": 1})", "\"image_id\" is missing"},
      {R"({"image_id": 1, "bbox": [0, 0, 1, 1], "score": 1})", "\"category_id\" is missing"},
      {R"({"image_id": 1, "category_id": 1, "score": 1})", "\"bbox\" is missing"},
      {R"({"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]})", "\"score\" is missing"},
      {R"({"image_id": "1"})", "\"image_id\" is not an integer"},
      {R"({"image_id": 1.5})", "\"image_id\" is not an integer"},
      {R"({"image_id": 9223372036854775808})", "\"image_id\" is not an integer"},
      {R"({"category_id": null})", "\"category_id\" is not an integer"},
      {R"({"bbox": [1, 2, 3]})", "\"bbox\" is not an array of four numbers"},
      {R"({"bbox": [1, 2, 3, 4, 5]})", "\"bbox\" is not an array of four numbers"},
      {R"({"bbox": [1, 2, 3, "4"]})", "\"bbox\" is not an array of four numbers"},
      {R"({"bbox": 3})", "\"bbox\" is not an array of four numbers"},
      {R"({"score": true})", "\"score\" is not a number"},
      {R"({"score": NaN})", "NaN"},
      {R"({"score": -Infinity})", "Infinity"},
      {R"({"score": 1e999})", "not valid JSON"},
      {R"({"score": .5})", "not valid JSON"},
      {R"({"score" 5})", "not valid JSON"},
      {"[]", "not an object"},
      {"7", "not an object"},
      {"", "single JSON value"},
      {"{} {}", "JSON"},
  };
  for (const auto& bad : kCases) {
    const absl::Status status = ParseDetections(absl::StrCat("[", kRecord, ", ", kRecord, ",\n",
                                                             bad.record, ", ", kRecord, "]"))
                                    .status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("record 2"), HasSubstr(bad.message))))
        << bad.record;
  }
}

TEST(ParseDetectionsTest, TruncatedTextIsAnErrorAtEveryByte) {
  const std::string json = absl::StrCat("[", kRecord, ", ", kRecord, "]");
  for (size_t size = 0; size < json.size(); ++size) {
    EXPECT_THAT(ParseDetections(json.substr(0, size)), ::testing::Not(IsOk()))
        << json.substr(0, size);
  }
}

// Strings that look like the end of one record and the start of the next.
TEST(ParseDetectionsTest, SplitsInStringsAndNestedArraysAreHandled) {
  std::mt19937 random(20150604);
  const char* const kExtras[] = {"\"}, {\"", "[{}, {}, [{}, {}]]", "{\"x\": [{\"y\": {}}, {}]}",
                                 "\"\\\\\"", "[[], [[]], [\"},{\"]]"};
  for (int round = 0; round < 200; ++round) {
    Detections expected;
    std::string json = "[";
    const int count = static_cast<int>(random() % 12);
    for (int i = 0; i < count; ++i) {
      const Detection d = {static_cast<int64_t>(random() % 100), 1, {0.5, 1, 2, 3}, 0.125 * i};
      expected.Add(d);
      absl::StrAppend(&json, i > 0 ? "," : "", "{\"image_id\":", d.image_id,
                      ",\"category_id\":1,\"extra\":", kExtras[random() % 5],
                      ",\"bbox\":[0.5,1,2,3],\"score\":", d.score, "}");
    }
    json += "]";
    for (int64_t piece_bytes : {1, 7, 60, 100000}) {
      const auto detections = ParseDetections(json, {.threads = 2, .piece_bytes = piece_bytes});
      ASSERT_THAT(detections, IsOk()) << json;
      EXPECT_TRUE(Same(*detections, expected)) << json;
    }
  }
}

// Every single-byte change must give the same verdict for all piece sizes.
TEST(ParseDetectionsTest, PiecesNeverChangeTheResult) {
  const std::string json = absl::StrCat("[", kRecord, ",", kRecord, ",", kRecord, "]");
  for (size_t at = 0; at < json.size(); ++at) {
    for (char c : {'{', '}', '[', ']', '"', ',', ' ', '\\', '0', '\x80', '\0'}) {
      std::string changed = json;
      changed[at] = c;
      const auto cut = ParseDetections(changed, {.threads = 1, .piece_bytes = 1});
      const auto whole = ParseDetections(changed, {.threads = 1, .piece_bytes = 1 << 20});
      ASSERT_EQ(cut.status(), whole.status()) << changed;
      if (!cut.ok()) continue;
      EXPECT_TRUE(Same(*cut, *whole)) << changed;
    }
  }
}

TEST(ParseDetectionsTest, ErrorDescribesAResultsFile) {
  EXPECT_THAT(ParseDetections("hello"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 AllOf(HasSubstr("not a COCO results file"),
                                                       HasSubstr("does not start with '['"))));
  EXPECT_THAT(ParseDetections(R"( {"images": []})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is it the dataset's instances file?")));
  EXPECT_THAT(ParseDetections("\x1f\x8b\x08"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                        HasSubstr("compressed; unpack it first")));
  EXPECT_THAT(ParseDetections("\xff\xfe["),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-16; save it as UTF-8")));
}

TEST(ParseDetectionsTest, ReadsTextWithAByteOrderMark) {
  const auto results = ParseDetections(absl::StrCat("\xef\xbb\xbf", "[", kRecord, "]"));
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->size(), 1);
}

TEST(ReadDetectionsTest, NamesThePath) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/bad.json");
  ASSERT_THAT(WriteFileAtomically(path, "[{}]"), IsOk());
  EXPECT_THAT(ReadDetections(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                             AllOf(HasSubstr("bad.json"), HasSubstr("record 0"))));
  EXPECT_THAT(ReadDetections(path + ".absent"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ReadDetectionsTest, ReadsAnEmptyFileAsAnError) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/empty.json");
  ASSERT_THAT(WriteFileAtomically(path, ""), IsOk());
  EXPECT_THAT(ReadDetections(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
}

}  // namespace
}  // namespace rcnn::eval
