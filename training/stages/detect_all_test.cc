// What is detected: alone, together, on stored proposals and on another device.

#include "rcnn/training/stages/detect_all.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/detection/detector.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/testing/inference_cases.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using testing::ExpectSame;
using testing::ExpectSameScores;
using testing::InferenceModel;
using testing::MakeOptions;
using testing::MixedSizes;
using testing::SmallShapes;

// All proposals of the RPN, written as a stage would.
std::shared_ptr<const data::ProposalFile> Stored(const FasterRcnn& rpn,
                                                 std::shared_ptr<const data::Dataset> dataset,
                                                 const InferenceOptions& options) {
  const std::string path = FreshDirectory() + "/proposals.safetensors";
  auto writer = data::ProposalWriter::Create(path, *dataset, "test").value();
  EXPECT_THAT(ProposeAll(rpn, dataset, rpn.config().rpn().test_proposals(), options, 0, false,
                         [&](const InferredProposals& found) {
                           return writer.Append(found.boxes, found.scores);
                         }),
              IsOk());
  EXPECT_THAT(writer.Commit(), IsOk());
  return data::ProposalFile::Open(path, *dataset).value();
}

// The detector used after training, on the same images.
eval::Detections ByDetector(const FasterRcnn& model, const data::Dataset& dataset,
                            const std::string& input) {
  configs::DetectorConfig config;
  *config.mutable_model() = model.config();
  *config.mutable_input() = configs::ParseTextOrDie<configs::DetectorInputConfig>(input);
  config.add_class_name("disc");
  config.add_class_name("square");
  const auto detector = detection::Detector::Create(config, detection::SavedState(model)).value();
  eval::Detections all;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto image = dataset.LoadImage(i).value();
    const at::Tensor pixels = at::from_blob(const_cast<uint8_t*>(image->data()),
                                            {image->height(), image->width(), 3}, at::kByte);
    const detection::Detections found = detector->Detect(pixels).value();
    for (int64_t d = 0; d < found.labels.size(0); ++d) {
      const at::Tensor box = found.boxes[d].to(at::kDouble);
      const double x = box[0].item<double>(), y = box[1].item<double>();
      all.Add({dataset.image(i).id,
               found.labels[d].item<int64_t>(),
               {x, y, box[2].item<double>() - x, box[3].item<double>() - y},
               found.scores[d].item<double>()});
    }
  }
  return all;
}

TEST(DetectAllTest, EqualsTheDetector) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  const auto found = DetectAll({model, model}, dataset, MakeOptions());
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, ByDetector(*model, *dataset, "shortest_side_px: 0 longest_side_px: 0"), 0.05);
}

TEST(DetectAllTest, GraphsChangeNothing) {
  const rcnn::testing::FakeGraphs graphs;
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  InferenceOptions options = MakeOptions();
  const auto plain = DetectAll({model, model}, dataset, options).value();
  EXPECT_EQ(graphs.recorded(), 0);
  options.max_graphs = 2;
  ExpectSame(DetectAll({model, model}, dataset, options).value(), plain, 0);
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 2);
  // The detector's own RPN is not used, so that nothing is recorded.
  const auto rpn = InferenceModel(2);
  ExpectSame(DetectAll({rpn, model}, dataset, options).value(),
             DetectAll({rpn, model}, dataset, MakeOptions()).value(), 0);
  EXPECT_EQ(graphs.recorded(), 1);
}

TEST(DetectAllTest, GraphsGiveTheirMemoryBackWhereItRunsOut) {
  rcnn::testing::FakeGraphs graphs;
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  const auto plain = DetectAll({model, model}, dataset, MakeOptions()).value();
  InferenceOptions options = MakeOptions();
  options.max_graphs = 2;
  graphs.Exhaust();
  const auto found = DetectAll({model, model}, dataset, options);
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, plain, 0);
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 0);
}

TEST(DetectAllTest, ImagesTogetherGiveWhatEachGives) {
  const auto dataset = MixedSizes();
  const auto rpn = InferenceModel(2), model = InferenceModel();
  InferenceOptions alone = MakeOptions("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
  alone.proposals = Stored(*model, dataset, alone);
  for (const DetectionNetworks& networks :
       {DetectionNetworks{model, model}, DetectionNetworks{rpn, model},
        DetectionNetworks{nullptr, model}}) {
    std::vector<InferredProposals> proposals[2];
    InferenceOptions options = alone;
    options.take_proposals = [&](InferredProposals image) { proposals[0].push_back(image); };
    const auto expected = DetectAll(networks, dataset, options).value();
    for (const int64_t together : {2, 3, 100}) {
      SCOPED_TRACE(together);
      proposals[1].clear();
      options.images_together = together;
      options.take_proposals = [&](InferredProposals image) { proposals[1].push_back(image); };
      const auto found = DetectAll(networks, dataset, options).value();
      EXPECT_EQ(found.image_ids, expected.image_ids);
      // Scores within 1e-5, boxes within 0.001 pixels.
      ExpectSame(found, expected, 1e-3);
      ASSERT_EQ(proposals[1].size(), 9u);
      for (size_t i = 0; i < 9; ++i) ExpectSameScores(proposals[1][i], proposals[0][i], 1e-5);
    }
  }
}

// Eight images of one size are four batches of two, the first of which comes before the graph.
TEST(DetectAllTest, ImagesOfOneSizeAreOneBatch) {
  const rcnn::testing::FakeGraphs graphs;
  const auto model = InferenceModel();
  InferenceOptions options = MakeOptions();
  options.max_graphs = 1;
  options.images_together = 2;
  EXPECT_THAT(DetectAll({model, model}, SmallShapes(8), options), IsOk());
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 3);
}

// Its layers are LibTorch's, which round differently.
TEST(DetectAllTest, AnotherDeviceDetectsWhatTheCpuDetects) {
  const auto dataset = MixedSizes();
  const auto model = InferenceModel(), far = InferenceModel();
  far->to(ops::testing::QueueDevice());
  InferenceOptions options = MakeOptions("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
  const auto expected = DetectAll({model, model}, dataset, options).value();
  for (const int64_t together : {1, 3}) {
    options.images_together = together;
    const auto found = DetectAll({far, far}, dataset, options);
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->image_ids, expected.image_ids);
    ExpectSame(*found, expected, 0.1);
  }
}

TEST(DetectAllTest, BoxesAreInStoredPixels) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  const auto found = DetectAll(
      {model, model}, dataset,
      MakeOptions(
          "resize { shortest_side_px: [64, 72] longest_side_px: 100 } flip: DOUBLE_DATASET"));
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, ByDetector(*model, *dataset, "shortest_side_px: 72 longest_side_px: 100"),
             0.05);
}

TEST(DetectAllTest, StoredProposalsOfTheRpnGiveItsOwnDetections) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  // Without a change of size boxes come back bit for bit.
  for (const auto& [transform, tolerance] :
       {std::pair<std::string, double>{"", 0}, {"resize { shortest_side_px: 72 }", 0.05}}) {
    SCOPED_TRACE(transform);
    InferenceOptions options = MakeOptions(transform);
    const auto expected = DetectAll({model, model}, dataset, options).value();
    options.proposals = Stored(*model, dataset, options);
    ExpectSame(DetectAll({nullptr, model}, dataset, options).value(), expected, tolerance);
    options.max_proposals = 1;
    EXPECT_LE(DetectAll({nullptr, model}, dataset, options)->size(), 2 * dataset->size());
  }
}

TEST(DetectAllTest, NetworksMayHaveSeparateBackbones) {
  const auto dataset = SmallShapes();
  const auto rpn = InferenceModel(2), head = InferenceModel(3);
  InferenceOptions options = MakeOptions();
  const auto found = DetectAll({rpn, head}, dataset, options).value();
  options.proposals = Stored(*rpn, dataset, options);
  ExpectSame(found, DetectAll({nullptr, head}, dataset, options).value(), 0);
}

TEST(DetectAllTest, PassesItsProposals) {
  const auto dataset = SmallShapes();
  const auto rpn = InferenceModel(2), head = InferenceModel(3);
  InferenceOptions options = MakeOptions();
  std::vector<InferredProposals> expected;
  ASSERT_THAT(ProposeAll(*rpn, dataset, rpn->config().rpn().test_proposals(), options, 0, false,
                         [&](const InferredProposals& found) {
                           expected.push_back(found);
                           return absl::OkStatus();
                         }),
              IsOk());
  ASSERT_EQ(expected.size(), 3u);
  EXPECT_GT(expected[0].scores.size(), 1u);
  std::vector<InferredProposals> passed;
  options.take_proposals = [&](InferredProposals found) { passed.push_back(std::move(found)); };
  const auto expect_passed = [&](const DetectionNetworks& networks) {
    passed.clear();
    EXPECT_THAT(DetectAll(networks, dataset, options), IsOk());
    ASSERT_EQ(passed.size(), expected.size());
    for (size_t i = 0; i < passed.size(); ++i) {
      EXPECT_EQ(passed[i].scores, expected[i].scores);
      ASSERT_EQ(passed[i].boxes.size(), expected[i].boxes.size());
      for (size_t b = 0; b < passed[i].boxes.size(); ++b) {
        EXPECT_EQ(passed[i].boxes[b].x1, expected[i].boxes[b].x1);
        EXPECT_EQ(passed[i].boxes[b].y2, expected[i].boxes[b].y2);
      }
    }
  };
  expect_passed({rpn, rpn});
  expect_passed({rpn, head});
  options.proposals = Stored(*rpn, dataset, options);
  expect_passed({nullptr, head});
  options.max_proposals = 1;
  for (InferredProposals& image : expected) {
    image.boxes.resize(1);
    image.scores.resize(1);
  }
  expect_passed({nullptr, head});
}

TEST(DetectAllTest, BoxesOfLastPixelsAreOneWider) {
  std::vector<data::testing::FakeImage> images = {{64, 48}, {60, 50}};
  const auto plain = std::make_shared<data::testing::FakeDataset>(images);
  const auto inclusive = std::make_shared<data::testing::FakeDataset>(images, true);
  const auto model = InferenceModel();
  const auto a = DetectAll({model, model}, plain, MakeOptions()).value();
  const auto b = DetectAll({model, model}, inclusive, MakeOptions()).value();
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 0);
  EXPECT_EQ(a[0].box.x, b[0].box.x);
  EXPECT_EQ(a[0].box.width + 1, b[0].box.width);
  EXPECT_EQ(a[0].box.height + 1, b[0].box.height);
}

}  // namespace
}  // namespace rcnn::training
