#include "rcnn/eval/detections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/detections_reader.h"

namespace rcnn::eval {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

GroundTruth Truth() {
  GroundTruth truth;
  truth.images = {{5, ""}, {6, ""}};
  truth.categories = {{1, "cat"}};
  return truth;
}

TEST(DetectionsTest, Appends) {
  Detections a;
  a.Add({1, 2, {3, 4, 5, 6}, 0.5});
  Detections b;
  b.Add({7, 8, {9, 10, 11, 12}, 0.25});
  a.Append(b);
  ASSERT_EQ(a.size(), 2);
  EXPECT_EQ(a[1].image_id, 7);
  EXPECT_EQ(a[1].category_id, 8);
  EXPECT_EQ(a[1].box, (XywhBox{9, 10, 11, 12}));
  EXPECT_EQ(a[1].score, 0.25);
}

TEST(DetectionsToJsonTest, IsTheResultsFormat) {
  Detections detections;
  EXPECT_EQ(*DetectionsToJson(detections), "[]\n");
  detections.Add({42, 18, {1.5, 2, 30, 0.1}, 0.875});
  detections.Add({43, 1, {0, 0, 1, 1}, 1});
  EXPECT_EQ(*DetectionsToJson(detections),
            "[{\"image_id\": 42, \"category_id\": 18, \"bbox\": [1.5, 2, 30, 0.1], "
            "\"score\": 0.875},\n"
            " {\"image_id\": 43, \"category_id\": 1, \"bbox\": [0, 0, 1, 1], \"score\": 1}]\n");
}

TEST(WriteDetectionsTest, EveryDoubleReadsBackAsItself) {
  std::mt19937_64 random(20150604);
  Detections detections;
  while (detections.size() < 30000) {  // more than one piece of output
    const uint64_t bits = random();
    double any = 0;
    static_assert(sizeof(any) == sizeof(bits));
    std::memcpy(&any, &bits, sizeof(any));
    if (!std::isfinite(any)) continue;
    const int64_t id = static_cast<int64_t>(random());
    detections.Add({id, -id, {any, any / 3, 0.1 * static_cast<double>(random() % 100), -any}, any});
  }
  const std::string path = ::testing::TempDir() + "/detections.json";
  ASSERT_THAT(WriteDetections(path, detections), IsOk());
  const auto read = ReadDetections(path);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->image_ids, detections.image_ids);
  EXPECT_EQ(read->category_ids, detections.category_ids);
  EXPECT_EQ(read->boxes, detections.boxes);
  EXPECT_EQ(read->scores, detections.scores);
}

TEST(WriteDetectionsTest, RejectsNonFiniteNumbers) {
  const std::string path = ::testing::TempDir() + "/never.json";
  for (double bad : {kNaN, kInfinity}) {
    Detections detections;
    detections.Add({1, 1, {0, 0, 1, 1}, 0.5});
    detections.Add({1, 1, {0, bad, 1, 1}, 0.5});
    const absl::Status status = WriteDetections(path, detections);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("detection 1")));
    EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST(ValidateDetectionsTest, AcceptsValidAndEmptyDetections) {
  Detections detections;
  EXPECT_THAT(ValidateDetections(detections, Truth()), IsOk());
  detections.Add({5, 1, {-3, -4, 0, 0}, -1});
  detections.Add({6, 1, {0, 0, 1, 1}, 0.5});
  EXPECT_THAT(ValidateDetections(detections, Truth()), IsOk());
}

TEST(ValidateDetectionsTest, NamesTheRecordAndTheValue) {
  const struct {
    Detection detection;
    const char* message;
  } kCases[] = {
      {{7, 1, {0, 0, 1, 1}, 0.5}, "image_id 7"},
      {{5, 2, {0, 0, 1, 1}, 0.5}, "category_id 2"},
      {{5, 1, {0, 0, 1, 1}, kNaN}, "score is nan"},
      {{5, 1, {0, kInfinity, 1, 1}, 0.5}, "inf"},
      {{5, 1, {0, 0, -1.5, 1}, 0.5}, "[0, 0, -1.5, 1] has a negative width"},
      {{5, 1, {0, 0, 1, -0.25}, 0.5}, "negative width or height"},
  };
  for (const auto& bad : kCases) {
    Detections detections;
    detections.Add({5, 1, {0, 0, 1, 1}, 0.5});
    detections.Add(bad.detection);
    detections.Add(bad.detection);
    const absl::Status status = ValidateDetections(detections, Truth());
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("detection 1 "), HasSubstr(bad.message))));
  }
}

}  // namespace
}  // namespace rcnn::eval
