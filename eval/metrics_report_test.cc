#include "rcnn/eval/metrics_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "rcnn/eval/coco_eval.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One class that is detected, one that is missed, one that does not occur.
Report MakeReport(bool coco, bool voc) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}, {2, "say \"d\xc3\xb6g\"\n"}, {3, std::string(60, 'x')}};
  truth.annotations = {{1, 1, 1, {0, 0, 100, 100}, 10000}, {2, 1, 2, {0, 0, 10, 10}, 100}};
  Detections detections;
  detections.Add({1, 1, {0, 0, 100, 100}, 0.5});
  Report report;
  report.dataset = "a\\b";
  report.images = 1;
  if (coco) report.coco = *EvaluateCoco(truth, detections, {.max_detections = {1, 10, 100, 1000}});
  if (voc) report.voc = *EvaluateVoc(truth, detections);
  report.voc07 = report.voc10 = voc;
  return report;
}

TEST(FormatReportTest, HasALineForEachClassAndOneOfAll) {
  const std::string text = FormatReport(MakeReport(true, true));
  EXPECT_THAT(text, HasSubstr("cat                                 1          1  100.0  100.0  "
                              "100.0      -      -  100.0  100.0  100.0  100.0\n"));
  EXPECT_THAT(text,
              HasSubstr("xxx...        0          0      -      -      -      -      -      -      "
                        "-      -      -\n"))
      << "nothing is defined for a class without objects";
  EXPECT_THAT(text, HasSubstr("all classes                         2          1   50.0"));
  EXPECT_THAT(text, HasSubstr("(AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500"));
  EXPECT_THAT(text, HasSubstr("1000 detections"));
  EXPECT_THAT(text, Not(HasSubstr("say \"d\xc3\xb6g\"\n"))) << "no control characters";
}

TEST(FormatReportTest, HasALineForEachFurtherNumberOfDetections) {
  Report report = MakeReport(true, false);
  report.coco = *EvaluateCoco({{{1, ""}}, {{1, "cat"}}, {{1, 1, 1, {0, 0, 100, 100}, 10000}}, {}},
                              {}, {.max_detections = {1, 10, 100, 300, 2000}});
  const std::string text = FormatReport(report);
  EXPECT_THAT(text, HasSubstr("[ 300 detections an image and class ] = 0.000\n"));
  EXPECT_THAT(text, HasSubstr("[ 2000 detections an image and class ] = 0.000\n"));
}

TEST(FormatReportTest, VocAloneHasItsColumnsOnly) {
  const std::string text = FormatReport(MakeReport(false, true));
  EXPECT_THAT(text, HasSubstr("VOC07  VOC10\n"));
  EXPECT_THAT(text, Not(HasSubstr("AP50")));
}

TEST(ReportToJsonTest, IsJsonWithExactNumbers) {
  const Report report = MakeReport(true, true);
  simdjson::dom::parser parser;
  const std::string json = ReportToJson(report);
  simdjson::dom::element root;
  ASSERT_EQ(parser.parse(json).get(root), simdjson::SUCCESS) << json;
  for (const Metric& metric : ReportMetrics(report)) {
    simdjson::dom::element value = root["metrics"][metric.name].value();
    if (metric.value == -1) {
      EXPECT_TRUE(value.is_null()) << metric.name;
    } else {
      EXPECT_EQ(value.get_double().value(), metric.value) << metric.name;
    }
  }
  EXPECT_EQ(root["dataset"].get_string().value(), "a\\b");
  EXPECT_EQ(root["classes"].at(1)["name"].get_string().value(), "say \"d\xc3\xb6g\"\n");
  EXPECT_TRUE(root["classes"].at(2)["ap"].value().is_null());
}

}  // namespace
}  // namespace rcnn::eval
