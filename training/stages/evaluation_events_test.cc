#include "rcnn/training/stages/evaluation_events.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/trainer/event.pb.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;

// The values that a stage wrote, by tag; their steps are all `step`.
std::map<std::string, SummaryValue> ReadValues(const std::string& directory,
                                               const std::string& stage, int64_t step) {
  std::map<std::string, SummaryValue> values;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != "." + stage) continue;
    const std::string bytes = ReadFile(entry.path().string()).value();
    // A record is its length in 8 bytes, a checksum in 4, the bytes themselves, a checksum in 4.
    for (size_t begin = 0; begin < bytes.size();) {
      const auto length = static_cast<uint8_t>(bytes[begin]) +
                          (size_t{static_cast<uint8_t>(bytes[begin + 1])} << 8) +
                          (size_t{static_cast<uint8_t>(bytes[begin + 2])} << 16);
      Event event;
      EXPECT_TRUE(event.ParseFromString(bytes.substr(begin + 12, length)));
      begin += length + 16;
      for (const SummaryValue& value : event.summary().value()) {
        EXPECT_EQ(event.step(), step) << value.tag();
        EXPECT_TRUE(values.emplace(value.tag(), value).second) << value.tag();
      }
    }
  }
  return values;
}

std::vector<double> Counts(const Histogram& histogram) {
  std::vector<double> counts;
  for (double count : histogram.bucket()) {
    if (count > 0) counts.push_back(count);
  }
  return counts;
}

TEST(WriteEvaluationEventsTest, WritesImagesCurvesAndHistograms) {
  const data::testing::FakeDataset dataset(
      {{64, 48, {data::testing::MakeObject({8, 8, 24, 24}, 1)}},
       {40, 48, {data::testing::MakeObject({4, 4, 20, 20}, 2)}},
       {64, 48, {}, /*broken=*/true}});
  const auto category = [&](size_t label) { return dataset.classes().category_ids[label - 1]; };
  eval::Detections detections;
  detections.Add(
      {.image_id = 100, .category_id = category(1), .box = {8, 8, 16, 16}, .score = 0.75});
  detections.Add(
      {.image_id = 101, .category_id = category(1), .box = {4, 4, 16, 16}, .score = 0.25});
  ExperimentRun run;
  run.events_directory = FreshDirectory("events");
  const std::vector<InferredProposals> proposals = {{{}, {0.5, 0.5}}, {{}, {1, 0.125}}, {{}, {}}};
  ASSERT_THAT(WriteEvaluationEvents(run, "final", dataset, detections, proposals), IsOk());

  const auto values = ReadValues(run.events_directory, "final", 3);
  std::vector<std::string> images;
  for (const auto& [tag, value] : values) {
    if (value.has_image()) images.push_back(tag);
  }
  EXPECT_THAT(images, ElementsAre("final/images/0", "final/images/1"));
  // 40 x 48 pixels, enlarged for the drawing.
  const auto& drawn = values.at("final/images/1").image();
  EXPECT_NEAR(static_cast<double>(drawn.width()) / drawn.height(), 40. / 48, 0.01);
  EXPECT_EQ(values.at("final/images/1").image().encoded_image_string().substr(0, 2), "\xff\xd8");
  EXPECT_EQ(values.at("final/precision_recall/all").metadata().plugin_data().plugin_name(),
            "pr_curves");
  for (const std::string& name : dataset.classes().names) {
    EXPECT_EQ(values.count("final/precision_recall/" + name), 1u) << name;
  }
  const Histogram& scores = values.at("final/scores").histo();
  EXPECT_THAT(Counts(scores), ElementsAre(1, 1));
  EXPECT_EQ(scores.sum(), 1);
  const Histogram& of_proposals = values.at("final/proposal_scores").histo();
  EXPECT_THAT(Counts(of_proposals), ElementsAre(1, 2, 1));
  EXPECT_EQ(of_proposals.min(), 0.125);
  EXPECT_EQ(of_proposals.max(), 1);
  EXPECT_EQ(of_proposals.sum(), 2.125);
}

TEST(WriteEvaluationEventsTest, AnImageThatCannotBeReadNowIsNotLeftOut) {
  const data::testing::FakeDataset dataset(
      {{64, 48, {data::testing::MakeObject({8, 8, 24, 24}, 1)}},
       {64, 48, {}, /*broken=*/false, /*unreadable_now=*/true}});
  ExperimentRun run;
  run.events_directory = FreshDirectory("unreadable_now");
  EXPECT_THAT(WriteEvaluationEvents(run, "final", dataset, eval::Detections(), {}),
              StatusIs(absl::StatusCode::kUnavailable, "cannot read image-1.jpg"));
}

// An evaluation's own: the scores of the RPN's proposals on the test images.
TEST(WriteEvaluationEventsTest, AnEvaluationShowsTheScoresOfItsProposals) {
  const std::string directory = FreshDirectory("run");
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  ASSERT_THAT(RunStages(run, "final"), IsOk());
  const auto dataset = run.datasets.at(configs::TEST);
  const auto network =
      MakeTrainedModel(run.config.model(), dataset->classes().size(), Weights(run, "final"));
  ASSERT_THAT(network, IsOk());
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.loader.set_workers(1);
  double sum = 0, count = 0;
  ASSERT_THAT(
      ProposeAll(**network, dataset, run.config.model().rpn().test_proposals(), options, 0, false,
                 [&](const InferredProposals& found) {
                   for (float score : found.scores) sum += score;
                   count += static_cast<double>(found.scores.size());
                   return absl::OkStatus();
                 }),
      IsOk());
  const auto values = ReadValues(directory, "final", dataset->size());
  ASSERT_EQ(values.count("final/proposal_scores"), 1u);
  const Histogram& histogram = values.at("final/proposal_scores").histo();
  EXPECT_GT(count, 0);
  EXPECT_EQ(histogram.num(), count);
  EXPECT_DOUBLE_EQ(histogram.sum(), sum);
}

TEST(CountAtThresholdsTest, CountsWhatIsKept) {
  eval::GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.annotations = {{.id = 1, .image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}},
                       {.id = 2, .image_id = 1, .category_id = 1, .box = {50, 0, 10, 10}}};
  eval::Detections detections;
  detections.Add({.image_id = 1, .category_id = 1, .box = {0, 0, 10, 10}, .score = 0.7});
  detections.Add({.image_id = 1, .category_id = 1, .box = {80, 0, 10, 10}, .score = 0.3});
  detections.Add({.image_id = 1, .category_id = 2, .box = {80, 0, 10, 10}, .score = 0.9});
  const auto errors = eval::FindDetectionErrors(truth, detections);
  ASSERT_THAT(errors, IsOk());
  const auto cat = CountAtThresholds(detections, *errors, 0, 11);
  EXPECT_EQ(cat[3].true_positives, 1);
  EXPECT_EQ(cat[3].false_positives, 1);
  EXPECT_EQ(cat[3].false_negatives, 1);
  EXPECT_EQ(cat[4].false_positives, 0);
  EXPECT_EQ(cat[7].true_positives, 1);
  EXPECT_EQ(cat[8].true_positives, 0);
  EXPECT_EQ(cat[8].false_negatives, 2);
  const auto all = CountAtThresholds(detections, *errors, -1, 11);
  EXPECT_EQ(all[0].false_positives, 2);
  EXPECT_EQ(all[9].false_positives, 1);
}

}  // namespace
}  // namespace rcnn::training
