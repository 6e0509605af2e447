#include "rcnn/eval/errors/errors_json.h"

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;

nlohmann::json ToJson(const GroundTruth& truth, const Detections& detections) {
  const auto errors = FindDetectionErrors(truth, detections);
  EXPECT_THAT(errors, IsOk());
  return nlohmann::json::parse(
      ErrorsToJson(truth, *errors, MeasureOracleFixes(truth, detections, *errors)));
}

// Two images; the second one has a false detection and a missed object, the first a duplicate.
TEST(ErrorsToJsonTest, HasErrorsBySizeClassAndImage) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}, {2, "b\xff.jpg"}, {3, "c.jpg"}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}},
                       {.id = 2, .image_id = 2, .category_id = 1, .box = {0, 0, 20, 20}}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.9});
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 40, 40}, .score = 0.8});
  detections.Add({.image_id = 2, .category_id = 2, .box = {90, 0, 40, 40}, .score = 0.7});
  const nlohmann::json json = ToJson(truth, detections);
  EXPECT_EQ(json["errors"]["Dupe"]["count"], 1);
  EXPECT_EQ(json["errors"]["Miss"]["count"], 1);
  EXPECT_GT(json["errors"]["Miss"]["dap"], 0);
  EXPECT_EQ(json["sizes"][0]["size"], "small");
  EXPECT_EQ(json["sizes"][0]["errors"]["Miss"]["count"], 1);
  EXPECT_EQ(json["sizes"][1]["errors"]["Miss"]["count"], 0);
  EXPECT_EQ(json["classes"][0]["name"], "cat");
  EXPECT_EQ(json["classes"][0]["objects"], 2);
  EXPECT_EQ(json["classes"][1]["errors"]["Bkg"]["count"], 1);
  ASSERT_EQ(json["images"].size(), 2u);
  EXPECT_EQ(json["images"][0]["id"], 2);
  EXPECT_EQ(json["images"][0]["file_name"], "b\xef\xbf\xbd.jpg");
  EXPECT_EQ(json["images"][0]["errors"]["Bkg"], 1);
  EXPECT_EQ(json["images"][0]["errors"]["Miss"], 1);
  EXPECT_EQ(json["images"][1]["errors"]["Dupe"], 1);
}

TEST(ErrorsToJsonTest, CountsOfClassesAndOfImagesAddUp) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const nlohmann::json json = ToJson(random.truth, random.detections);
    for (const auto& [name, error] : json["errors"].items()) {
      int64_t by_class = 0, by_image = 0;
      for (const auto& each : json["classes"]) {
        by_class += each["errors"][name]["count"].get<int64_t>();
      }
      for (const auto& each : json["images"]) by_image += each["errors"][name].get<int64_t>();
      EXPECT_EQ(by_class, error["count"]) << "seed " << seed << " " << name;
      EXPECT_EQ(by_image, error["count"]) << "seed " << seed << " " << name;
    }
  }
}

TEST(ImagesByErrorsTest, PutsMostErrorsFirst) {
  DetectionErrors errors;
  errors.image_counts = {{0, 0, 0, 0, 0, 1}, {}, {1, 1, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}};
  EXPECT_THAT(ImagesByErrors(errors), ElementsAre(2, 0, 3));
}

}  // namespace
}  // namespace rcnn::eval
