#include "rcnn/eval/html/report_page.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

// A case with every kind of error and with objects that are found.
testing::RandomCase MakeRichCase() {
  for (uint64_t seed = 0;; ++seed) {
    testing::RandomCase random = testing::MakeRandomCase(seed);
    const auto errors = FindDetectionErrors(random.truth, random.detections);
    EXPECT_THAT(errors, IsOk());
    const bool all = std::all_of(errors->counts.begin(), errors->counts.end(),
                                 [](int64_t count) { return count > 0; });
    const bool found = std::any_of(errors->found_by.begin(), errors->found_by.end(),
                                   [](int64_t d) { return d >= 0; });
    if (all && found) return random;
  }
}

std::string MakePage(const GroundTruth& truth, const Detections& detections,
                     ReportPageInput input = {}) {
  Report report;
  // Two thresholds: the arrays of ten would take a gigabyte for 5,000 classes.
  auto coco = EvaluateCoco(truth, detections, {.iou_thresholds = {0.5, 0.75}});
  EXPECT_THAT(coco, IsOk());
  report.coco = *std::move(coco);
  input.truth = &truth;
  input.detections = &detections;
  input.report = &report;
  auto page = MakeReportPage(input);
  EXPECT_THAT(page, IsOk());
  return *std::move(page);
}

// Tags open and close in pairs: void elements and SVG's self-closing ones apart.
void ExpectWellFormed(const std::string& page) {
  std::vector<std::string> open;
  const std::string body =
      page.substr(page.find("<body>"), page.find("<script>\n") - page.find("<body>"));
  for (size_t i = 0; (i = body.find('<', i)) != std::string::npos;) {
    const size_t end = body.find('>', i);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = body.substr(i + 1, end - i - 1);
    i = end;
    if (tag.back() == '/' || absl::StartsWith(tag, "br")) continue;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name[0] != '/') {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), name.substr(1)) << body.substr(end > 300 ? end - 300 : 0, 400);
      open.pop_back();
    }
  }
  EXPECT_THAT(open, ::testing::ElementsAre("body"));
}

TEST(ReportPageTest, ShowsEverySection) {
  const testing::RandomCase random = MakeRichCase();
  ReportPageInput input;
  input.title = "cells";
  input.training = {{"joint", "loss", {{0, 2.0}, {100, 0.5}}}};
  input.config = "name: \"cells\"";
  input.environment = {{"cores", "2"}};
  input.commands = {"evaluate --report=report.html"};
  const std::string page = MakePage(random.truth, random.detections, input);
  for (const char* id :
       {"summary", "training", "classes", "errors", "curves", "confusion", "calibration", "sizes",
        "suspects", "config", "environment", "reproduce"}) {
    EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<section id=\"", id, "\">")));
    EXPECT_TRUE(absl::StrContains(page, absl::StrCat("href=\"#", id, "\"")));
  }
  ExpectWellFormed(page);
}

TEST(ReportPageTest, ListsTheImagesOfMostErrors) {
  GroundTruth truth;
  truth.categories = {{1, "cat"}};
  Detections detections;
  for (int64_t i = 1; i <= 60; ++i) {
    truth.images.push_back({i, absl::StrCat("folder/", i, "<.jpg")});
    // As many false detections as the image's id.
    for (int64_t d = 0; d < i; ++d) {
      detections.Add({.image_id = i, .category_id = 1, .box = {0, 0, 5, 5}, .score = 0.5});
    }
  }
  truth.annotations = {
      {.id = 1, .image_id = 1, .category_id = 1, .box = {50, 50, 5, 5}, .area = 25}};
  const std::string page = MakePage(truth, detections);
  EXPECT_TRUE(absl::StrContains(page, "the 50 with the most errors, of 60 with any"));
  EXPECT_TRUE(absl::StrContains(page, "<td><bdi>60&lt;.jpg</bdi></td><td data-v=\"60\">60</td>"));
  EXPECT_FALSE(absl::StrContains(page, "<td><bdi>10&lt;.jpg</bdi></td>"));
  ExpectWellFormed(page);
}

TEST(ReportPageTest, ShowsTheRecallOfProposals) {
  const testing::RandomCase random = MakeRichCase();
  const std::string heading = "Recall by number of proposals";
  EXPECT_FALSE(absl::StrContains(MakePage(random.truth, random.detections), heading));
  const data::Box box = {0, 0, 10, 10};
  for (const std::vector<int64_t>& counts :
       {std::vector<int64_t>{1}, std::vector<int64_t>{1, 3, 10, 30, 100, 300, 1000}}) {
    const std::vector<RecallImage> images = {{{&box, 1}, {box}, {100}}};
    const ProposalRecall recall = MeasureRecall(images, {.counts = counts});
    ReportPageInput input;
    input.proposals = &recall;
    const std::string page = MakePage(random.truth, random.detections, input);
    EXPECT_TRUE(absl::StrContains(page, heading));
    EXPECT_FALSE(absl::StrContains(page, "nan"));
    ExpectWellFormed(page);
  }
}

TEST(ReportPageTest, IsWellFormedForAnyCase) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    const testing::RandomCase random = testing::MakeRandomCase(seed);
    const std::string page = MakePage(random.truth, random.detections);
    ExpectWellFormed(page);
    EXPECT_FALSE(absl::StrContains(page, "nan")) << "seed " << seed;
    EXPECT_FALSE(absl::StrContains(page, "inf\"")) << "seed " << seed;
  }
}

TEST(ReportPageTest, NamesAreEscaped) {
  testing::RandomCase random = MakeRichCase();
  const std::string evil = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'";
  for (auto& category : random.truth.categories) category.name = evil;
  for (auto& image : random.truth.images) image.file = evil;
  ReportPageInput input;
  input.title = evil;
  input.training = {{evil, evil, {{0, 1}, {1, 2}}}};
  input.config = evil;
  input.environment = {{evil, evil}};
  input.commands = {evil};
  const std::string page = MakePage(random.truth, random.detections, input);
  EXPECT_FALSE(absl::StrContains(page, "<script>alert"));
  EXPECT_FALSE(absl::StrContains(page, "<img"));
  ExpectWellFormed(page);
}

// Otherwise the score would stand before a name that is read from right to left.
TEST(ReportPageTest, NamesAreIsolatedFromTheTextAroundThem) {
  testing::RandomCase random = MakeRichCase();
  const std::string cat = "\xD9\x82\xD8\xB7";
  const std::string isolated = absl::StrCat("<bdi>", cat, "</bdi>");
  for (auto& category : random.truth.categories) category.name = cat;
  ReportPageInput input;
  input.title = cat;
  input.dataset = cat;
  const std::string page = MakePage(random.truth, random.detections, input);
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<h1>", isolated, " on ", isolated, "</h1>")));
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<title>", cat, " on ", cat, "</title>")));
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<figcaption><b>", isolated, " 0.")));
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("is labelled ", isolated, " (IoU ")));
  EXPECT_FALSE(absl::StrContains(page, absl::StrCat(cat, " 0.")));
  EXPECT_FALSE(absl::StrContains(page, absl::StrCat(cat, ", score ")));
  ExpectWellFormed(page);
}

TEST(ReportPageTest, NeedsNothingElse) {
  const testing::RandomCase random = testing::MakeRandomCase(5);
  const std::string page = MakePage(random.truth, random.detections);
  EXPECT_FALSE(absl::StrContains(page, "http:"));
  EXPECT_FALSE(absl::StrContains(page, "https:"));
  EXPECT_FALSE(absl::StrContains(page, "<link rel=\"stylesheet"));
  EXPECT_TRUE(absl::StrContains(page, "default-src 'none'"));
}

TEST(ReportPageTest, ShowsTheValidationsOfAStageApart) {
  const testing::RandomCase random = MakeRichCase();
  ReportPageInput input;
  input.training = {{"joint", "AP", {{50, 0.1}, {100, 0.2}}, /*validation=*/true},
                    {"joint", "loss", {{20, 2.0}, {100, 0.5}}}};
  const std::string page = MakePage(random.truth, random.detections, input);
  const size_t losses = page.find("aria-label=\"Losses of stage joint by iteration\"");
  const size_t validations = page.find("aria-label=\"Validation of stage joint by iteration\"");
  ASSERT_NE(losses, std::string::npos);
  ASSERT_NE(validations, std::string::npos);
  EXPECT_LT(losses, validations);
  ExpectWellFormed(page);
}

TEST(ReportPageTest, ShowsExamplesOfTheCostliestErrorFirst) {
  const testing::RandomCase random = MakeRichCase();
  const std::string page = MakePage(random.truth, random.detections);
  const std::string sentence = "The most costly error is <b>";
  const size_t title = page.find(sentence);
  ASSERT_NE(title, std::string::npos);
  const size_t first = page.find("data-kind=\"");
  ASSERT_NE(first, std::string::npos);
  for (int kind = 0; kind < kErrorKinds; ++kind) {
    const bool is_costliest =
        page.compare(title + sentence.size(), std::strlen(ErrorTitle(kind)) + 4,
                     absl::StrCat(ErrorTitle(kind), "</b>")) == 0;
    const std::string attribute = absl::StrCat("data-kind=\"", ErrorName(kind), "\"");
    EXPECT_EQ(page.compare(first, attribute.size(), attribute) == 0, is_costliest) << kind;
  }
}

// Of a class without objects nothing is defined: its row has no bar.
TEST(ReportPageTest, SaysThatTideCountsClassesWithoutObjects) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {
      {.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 50, 50}, .area = 2500}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 50, 50}, .score = 0.5});
  const std::string note = "detections but without objects";
  EXPECT_FALSE(absl::StrContains(MakePage(truth, detections), note));
  detections.Add({.image_id = 1, .category_id = 2, .box = {60, 0, 50, 50}, .score = 0.5});
  const std::string page = MakePage(truth, detections);
  EXPECT_TRUE(absl::StrContains(
      page, "which is now 50.0. As in TIDE, 1 class with detections but without objects counts"));
  const size_t bar = page.find("class=\"track\"");
  ASSERT_NE(bar, std::string::npos);
  EXPECT_EQ(page.find("class=\"track\"", bar + 1), std::string::npos);
}

TEST(ReportPageTest, SaysThatThereAreNoDetections) {
  const testing::RandomCase random = MakeRichCase();
  const std::string sentence = "There are no detections.";
  EXPECT_FALSE(absl::StrContains(MakePage(random.truth, random.detections), sentence));
  const std::string page = MakePage(random.truth, {});
  EXPECT_TRUE(absl::StrContains(page, sentence));
  EXPECT_FALSE(absl::StrContains(page, "id=\"confusion\""));
  ExpectWellFormed(page);
}

TEST(ReportPageTest, ALongNameIsShortenedInTheMiddleAndShownWholeWhenPointedAt) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}};
  const std::string name = "Ara" + std::string(90, 'a') + "\"uga";
  truth.categories = {{1, name}};
  truth.annotations = {
      {.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 50, 50}, .area = 2500}};
  const std::string page = MakePage(truth, {});
  EXPECT_TRUE(absl::StrContains(page, absl::StrCat("<span title=\"Ara", std::string(90, 'a'),
                                                   "&quot;uga\"><bdi>Araaaaaaaaaaaa")));
  EXPECT_TRUE(absl::StrContains(page,
                                "\xE2\x80\xA6"
                                "aaaaaaaaaaa&quot;uga</bdi></span></td>"));
  ExpectWellFormed(page);
}

TEST(ReportPageTest, CommandsWrapBetweenWords) {
  const testing::RandomCase random = testing::MakeRandomCase(5);
  ReportPageInput input;
  input.commands = {"report '--out=a b.html' --x=1", "other"};
  EXPECT_TRUE(absl::StrContains(
      MakePage(random.truth, random.detections, input),
      "<span>report</span> <span>&#39;--out=a b.html&#39;</span> <span>--x=1</span>\n"
      "<span>other</span></pre>"));
}

TEST(ReportPageTest, AnEmptyDatasetHasAReport) {
  ExpectWellFormed(MakePage({}, {}));
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}};
  EXPECT_TRUE(absl::StrContains(MakePage(truth, {}), "Nothing to measure"));
  Detections only;
  only.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 5, 5}, .score = 0.5});
  ExpectWellFormed(MakePage(truth, only));
}

TEST(ReportPageTest, CountsOneInTheSingularAndOnlyWhatIsJudged) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}};
  truth.categories = {{1, "cat"}};
  const Annotation cat = {
      .id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 50, 50}, .area = 2500};
  truth.annotations = {cat, cat, cat};
  truth.annotations[1].crowd = true;
  truth.annotations[2].image_id = 7;  // not listed
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = cat.box, .score = 0.296875});
  const std::string page = MakePage(truth, detections);
  EXPECT_TRUE(absl::StrContains(page, "1 image, 1 object of 1 class, 1 detection</p>"));
  // A threshold of 0.30 would leave it out.
  EXPECT_TRUE(absl::StrContains(page, "a score threshold of <b>0.296</b>"));
  EXPECT_TRUE(absl::StrContains(page, "<td data-v=\"0.296875\">0.296</td>"));
}

TEST(ReportPageTest, SortsTheCostliestErrorByItsCost) {
  const testing::RandomCase random = MakeRichCase();
  const std::string page = MakePage(random.truth, random.detections);
  EXPECT_TRUE(absl::StrContains(page, "<td class=\"left\" data-v=\"0."));
}

TEST(ReportPageTest, HugeScoresAreShort) {
  GroundTruth truth;
  truth.images = {{1, "a.jpg"}};
  truth.categories = {{1, "cat"}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 5, 5}, .score = 1e300});
  EXPECT_FALSE(absl::StrContains(MakePage(truth, detections), "0000000000000000"));
}

TEST(ReportPageTest, FiveThousandClassesFit) {
  GroundTruth truth;
  Detections detections;
  truth.images = {{1, "a.jpg"}};
  for (int64_t k = 1; k <= 5000; ++k) {
    truth.categories.push_back({k, absl::StrCat("class ", k)});
    const XywhBox box = {10.0 * static_cast<double>(k), 0, 9, 9};
    truth.annotations.push_back({.id = k, .image_id = 1, .category_id = k, .box = box, .area = 81});
    detections.Add({.image_id = 1, .category_id = k, .box = box, .score = 0.5});
  }
  const std::string page = MakePage(truth, detections);
  EXPECT_LT(page.size(), 5'000'000u);
  EXPECT_TRUE(absl::StrContains(page, "class 1000</bdi></td>"));
  EXPECT_FALSE(absl::StrContains(page, "class 1001</bdi></td>"));
  EXPECT_TRUE(absl::StrContains(page, "The 1,000 classes with the most objects, of 5,000."));
  ExpectWellFormed(page);
}

TEST(ReportPageTest, EmptyClassesAreLeftOut) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}, {3, "cow"}};
  truth.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 5, 5}, .area = 25}};
  Detections detections;
  detections.Add({.image_id = 1, .category_id = 3, .box = {0, 0, 5, 5}, .score = 0.5});
  const std::string page = MakePage(truth, detections);
  EXPECT_TRUE(absl::StrContains(page, "cat</bdi></td>"));
  EXPECT_TRUE(absl::StrContains(page, "cow</bdi></td>"));
  EXPECT_FALSE(absl::StrContains(page, "dog</bdi></td>"));
  EXPECT_TRUE(absl::StrContains(page, "Left out: 1 class without objects or detections."));
}

// Of 26 classes, 24 get a chart: no note if the others have nothing to show.
TEST(ReportPageTest, SaysIfClassesHaveNoChart) {
  for (const int64_t detected : {24, 25}) {
    GroundTruth truth;
    truth.images = {{1, ""}};
    Detections detections;
    for (int64_t k = 1; k <= 26; ++k) {
      truth.categories.push_back({k, absl::StrCat("class ", k)});
      if (k > detected) continue;
      const XywhBox box = {10.0 * static_cast<double>(k), 0, 9, 9};
      truth.annotations.push_back(
          {.id = k, .image_id = 1, .category_id = k, .box = box, .area = 81});
      detections.Add({.image_id = 1, .category_id = k, .box = box, .score = 0.5});
    }
    const std::string page = MakePage(truth, detections);
    EXPECT_EQ(absl::StrContains(page, "The 24 classes with the most objects."), detected == 25);
    EXPECT_TRUE(absl::StrContains(page, "Precision by recall of class 24;"));
    EXPECT_FALSE(absl::StrContains(page, "Precision by recall of class 25;"));
  }
}

// Once the disk has recovered, the page would be another one.
TEST(ReportPageTest, AnImageThatCannotBeReadNowIsAnError) {
  const testing::RandomCase random = MakeRichCase();
  Report report;
  auto coco = EvaluateCoco(random.truth, random.detections, {.iou_thresholds = {0.5, 0.75}});
  ASSERT_THAT(coco, IsOk());
  report.coco = *std::move(coco);
  ReportPageInput input;
  input.truth = &random.truth;
  input.detections = &random.detections;
  input.report = &report;
  input.load_image = [](int64_t) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    return absl::UnavailableError("cannot read a.jpg: Input/output error");
  };
  EXPECT_THAT(MakeReportPage(input),
              StatusIs(absl::StatusCode::kUnavailable, "cannot read a.jpg: Input/output error"));
}

TEST(ReportPageTest, SaysWhichImagesCouldNotBeRead) {
  const testing::RandomCase random = MakeRichCase();
  ReportPageInput input;
  input.load_image = [](int64_t) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
    return absl::NotFoundError("missing file: <a>.jpg");
  };
  EXPECT_TRUE(absl::StrContains(MakePage(random.truth, random.detections, input),
                                "boxes only: <bdi>missing file: &lt;a&gt;.jpg"));
}

}  // namespace
}  // namespace rcnn::eval
