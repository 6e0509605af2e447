#include "rcnn/eval/metrics_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rcnn/eval/coco_eval.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

using ::testing::AnyOf;
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
  EXPECT_THAT(text, HasSubstr("\nxxxxxxxxxxxxx...xxxxxxxxxxxx        0          0      -      -    "
                              "  -      -      -      -      "
                              "-      -      -\n"))
      << "nothing is defined for a class without objects";
  EXPECT_THAT(text, HasSubstr("all classes                         2          1   50.0"));
  EXPECT_THAT(text, HasSubstr("(AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500"));
  EXPECT_THAT(text, HasSubstr("1000 detections"));
  EXPECT_THAT(text, HasSubstr("say \"d\xc3\xb6g\"\\n            "));
}

// One class of each name, none of them detected.
Report NamedReport(const std::vector<std::string>& names) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  for (const std::string& name : names) {
    truth.categories.push_back({static_cast<int64_t>(truth.categories.size()) + 1, name});
  }
  Report report;
  report.dataset = names.front();
  report.coco = *EvaluateCoco(truth, {}, {});
  return report;
}

TEST(FormatReportTest, NamesAreEscapedAndClipped) {
  const std::string umlauts = "\xc3\xa4\xc3\xb6\xc3\xbc";
  const std::string text =
      FormatReport(NamedReport({"\033[2Jcat\rall", "\xff\x9b",
                                "a\xe2\x80\xae"
                                "b",
                                std::string(28, 'y'), umlauts + std::string(40, 'z')}));
  for (const std::string& shown :
       {std::string("\n\\x1b[2Jcat\\rall  "), std::string("\n\\xff\\x9b "),
        std::string("\na\\u202eb "), "\n" + std::string(28, 'y') + " ",
        "\n" + umlauts + std::string(10, 'z') + "..." + std::string(12, 'z') + " "}) {
    EXPECT_THAT(text, HasSubstr(shown));
  }
  EXPECT_THAT(text, Not(AnyOf(HasSubstr("\033"), HasSubstr("\r"), HasSubstr("\xff"))));
}

TEST(FormatReportTest, HasALineForEachFurtherNumberOfDetections) {
  Report report = MakeReport(true, false);
  report.coco = *EvaluateCoco({{{1, ""}}, {{1, "cat"}}, {{1, 1, 1, {0, 0, 100, 100}, 10000}}, {}},
                              {}, {.max_detections = {1, 10, 100, 300, 2000}});
  const std::string text = FormatReport(report);
  EXPECT_THAT(text, HasSubstr("[ 300 detections per image and class ] = 0.000\n"));
  EXPECT_THAT(text, HasSubstr("[ 2000 detections per image and class ] = 0.000\n"));
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

TEST(ReportToJsonTest, IsJsonWhateverTheNames) {
  const std::string all = "\033[2J\"\\\n\x7f\xff</script>";
  const std::string json = ReportToJson(NamedReport({all, std::string("\0", 1)}));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  ASSERT_EQ(parser.parse(json).get(root), simdjson::SUCCESS) << json;
  const std::string valid_utf8 = "\033[2J\"\\\n\x7f\xef\xbf\xbd</script>";
  EXPECT_EQ(root["dataset"].get_string().value(), valid_utf8);
  EXPECT_EQ(root["classes"].at(0)["name"].get_string().value(), valid_utf8);
  EXPECT_EQ(root["classes"].at(1)["name"].get_string().value(), std::string("\0", 1));
}

}  // namespace
}  // namespace rcnn::eval
