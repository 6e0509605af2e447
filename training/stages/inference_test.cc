#include "rcnn/training/stages/inference.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/detection/detector.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/testing/parse_text.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kModel[] =
    "backbone { tiny { channels: 8 } }"
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
    "      test_proposals { before_nms: 50 after_nms: 10 } }"
    "head { fc { fc_channels: [16] } detections { min_score: 0.1 } }"
    "normalization { mean: [127.5, 127.5, 127.5] std: [64, 64, 64] }";

// Random, but with scores that are far from equal.
std::shared_ptr<FasterRcnn> Model(uint64_t seed = 1, const std::string& config = kModel) {
  auto model = FasterRcnn::Create(Parse<configs::ModelConfig>(config), 2).value();
  detection::ResetParameters(*model, MakeGenerator({seed, "inference_test", 0, "weights"}));
  at::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (item.key().find("cls_score.weight") != std::string::npos) item.value().mul_(100);
    if (item.key().find("bbox_pred.weight") != std::string::npos) item.value().mul_(30);
  }
  model->eval();
  return model;
}

std::shared_ptr<const data::Dataset> Shapes(int64_t count = 3) {
  auto config = Parse<configs::ShapesConfig>(
      "seed: 1 num_classes: 2 width_px: 64 height_px: 48 min_diameter_px: 16 max_diameter_px: 32");
  config.set_num_images(count);
  return data::ShapesDataset::Create(config).value();
}

InferenceOptions Options(const std::string& transform = "") {
  InferenceOptions options;
  options.transform = Parse<configs::TransformConfig>(transform);
  options.loader.set_workers(1);
  return options;
}

// The sets are the same up to rounding, in whatever order.
void ExpectSame(const eval::Detections& a, const eval::Detections& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 0);
  for (int64_t i = 0; i < a.size(); ++i) {
    double nearest = 1e9;
    for (int64_t k = 0; k < b.size(); ++k) {
      if (a[i].image_id != b[k].image_id || a[i].category_id != b[k].category_id) continue;
      const eval::XywhBox x = a[i].box, y = b[k].box;
      nearest =
          std::min(nearest, std::max({100 * std::abs(a[i].score - b[k].score), std::abs(x.x - y.x),
                                      std::abs(x.y - y.y), std::abs(x.width - y.width),
                                      std::abs(x.height - y.height)}));
    }
    EXPECT_LE(nearest, tolerance) << i;
  }
}

void ExpectSameScores(const InferredProposals& a, const InferredProposals& b, double tolerance) {
  ASSERT_EQ(a.scores.size(), b.scores.size());
  ASSERT_EQ(a.boxes.size(), a.scores.size());
  for (size_t i = 0; i < a.scores.size(); ++i)
    EXPECT_NEAR(a.scores[i], b.scores[i], tolerance) << i;
}

// All proposals of the RPN, written as a stage would.
std::shared_ptr<const data::ProposalFile> Stored(const FasterRcnn& rpn,
                                                 std::shared_ptr<const data::Dataset> dataset,
                                                 const InferenceOptions& options) {
  const std::string path = EmptyDirectory() + "/proposals.safetensors";
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
  *config.mutable_input() = Parse<configs::DetectorInputConfig>(input);
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
  const auto dataset = Shapes();
  const auto model = Model();
  std::vector<int64_t> done;
  InferenceOptions options = Options();
  options.progress = [&](int64_t count) { done.push_back(count); };
  const auto found = DetectAll({model, model}, dataset, options);
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, ByDetector(*model, *dataset, "shortest_side_px: 0 longest_side_px: 0"), 0.05);
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

TEST(DetectAllTest, GraphsChangeNothing) {
  const rcnn::testing::FakeGraphs graphs;
  const auto dataset = Shapes();
  const auto model = Model();
  InferenceOptions options = Options();
  const auto plain = DetectAll({model, model}, dataset, options).value();
  EXPECT_EQ(graphs.recorded(), 0);
  options.max_graphs = 2;
  ExpectSame(DetectAll({model, model}, dataset, options).value(), plain, 0);
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 2);
  // The detector's own RPN is not used, so that nothing is recorded.
  const auto rpn = Model(2);
  ExpectSame(DetectAll({rpn, model}, dataset, options).value(),
             DetectAll({rpn, model}, dataset, Options()).value(), 0);
  EXPECT_EQ(graphs.recorded(), 1);
}

TEST(DetectAllTest, GraphsGiveTheirMemoryBackWhereItRunsOut) {
  rcnn::testing::FakeGraphs graphs;
  const auto dataset = Shapes();
  const auto model = Model();
  const auto plain = DetectAll({model, model}, dataset, Options()).value();
  InferenceOptions options = Options();
  options.max_graphs = 2;
  graphs.Exhaust();
  const auto found = DetectAll({model, model}, dataset, options);
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, plain, 0);
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 0);
}

// Landscape and portrait mixed, and one of a size of its own.
std::shared_ptr<data::testing::FakeDataset> MixedSizes() {
  return std::make_shared<data::testing::FakeDataset>(std::vector<data::testing::FakeImage>{
      {64, 48}, {48, 64}, {64, 48}, {64, 48}, {40, 40}, {48, 64}, {64, 48}, {64, 48}, {48, 64}});
}

TEST(DetectAllTest, ImagesTogetherGiveWhatEachGives) {
  const auto dataset = MixedSizes();
  const auto rpn = Model(2), model = Model();
  InferenceOptions alone = Options("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
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
  const auto model = Model();
  InferenceOptions options = Options();
  options.max_graphs = 1;
  options.images_together = 2;
  EXPECT_THAT(DetectAll({model, model}, Shapes(8), options), IsOk());
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 3);
}

// Its layers are LibTorch's, which round differently.
TEST(DetectAllTest, AnotherDeviceDetectsWhatTheCpuDetects) {
  const auto dataset = MixedSizes();
  const auto model = Model(), far = Model();
  far->to(ops::testing::QueueDevice());
  InferenceOptions options = Options("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
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
  const auto dataset = Shapes();
  const auto model = Model();
  const auto found = DetectAll(
      {model, model}, dataset,
      Options("resize { shortest_side_px: [64, 72] longest_side_px: 100 } flip: DOUBLE_DATASET"));
  ASSERT_THAT(found, IsOk());
  ExpectSame(*found, ByDetector(*model, *dataset, "shortest_side_px: 72 longest_side_px: 100"),
             0.05);
}

TEST(DetectAllTest, StoredProposalsOfTheRpnGiveItsOwnDetections) {
  const auto dataset = Shapes();
  const auto model = Model();
  // Without a change of size boxes come back bit for bit.
  for (const auto& [transform, tolerance] :
       {std::pair<std::string, double>{"", 0}, {"resize { shortest_side_px: 72 }", 0.05}}) {
    SCOPED_TRACE(transform);
    InferenceOptions options = Options(transform);
    const auto expected = DetectAll({model, model}, dataset, options).value();
    options.proposals = Stored(*model, dataset, options);
    ExpectSame(DetectAll({nullptr, model}, dataset, options).value(), expected, tolerance);
    options.max_proposals = 1;
    EXPECT_LE(DetectAll({nullptr, model}, dataset, options)->size(), 2 * dataset->size());
  }
}

TEST(DetectAllTest, NetworksMayHaveSeparateBackbones) {
  const auto dataset = Shapes();
  const auto rpn = Model(2), head = Model(3);
  InferenceOptions options = Options();
  const auto found = DetectAll({rpn, head}, dataset, options).value();
  options.proposals = Stored(*rpn, dataset, options);
  ExpectSame(found, DetectAll({nullptr, head}, dataset, options).value(), 0);
}

TEST(DetectAllTest, PassesItsProposals) {
  const auto dataset = Shapes();
  const auto rpn = Model(2), head = Model(3);
  InferenceOptions options = Options();
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
  const auto model = Model();
  const auto a = DetectAll({model, model}, plain, Options()).value();
  const auto b = DetectAll({model, model}, inclusive, Options()).value();
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 0);
  EXPECT_EQ(a[0].box.x, b[0].box.x);
  EXPECT_EQ(a[0].box.width + 1, b[0].box.width);
  EXPECT_EQ(a[0].box.height + 1, b[0].box.height);
}

TEST(ProposeAllTest, ResumesAtAnyImage) {
  const auto dataset = Shapes();
  const auto model = Model();
  std::vector<InferredProposals> all, rest;
  const auto run = [&](int64_t first, std::vector<InferredProposals>& into) {
    return ProposeAll(*model, dataset, model->config().rpn().test_proposals(), Options(), first,
                      false, [&](const InferredProposals& found) {
                        into.push_back(found);
                        return absl::OkStatus();
                      });
  };
  ASSERT_THAT(run(0, all), IsOk());
  ASSERT_THAT(run(1, rest), IsOk());
  ASSERT_EQ(all.size(), 3u);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(all[2].boxes, rest[1].boxes);
  EXPECT_EQ(all[2].scores, rest[1].scores);
  EXPECT_LE(all[0].boxes.size(), 10u);
  std::vector<InferredProposals> none;
  EXPECT_THAT(run(3, none), IsOk());
  EXPECT_TRUE(none.empty());
}

// The boxes on the mirrored image equal those on an image that is stored mirrored.
class MirroredDataset : public data::Dataset {
 public:
  explicit MirroredDataset(std::shared_ptr<const data::Dataset> whole) : whole_(std::move(whole)) {}
  int64_t size() const override { return whole_->size(); }
  const data::ClassList& classes() const override { return whole_->classes(); }
  data::ImageInfo image(int64_t index) const override { return whole_->image(index); }
  std::vector<data::Object> objects(int64_t) const override { return {}; }
  absl::StatusOr<std::shared_ptr<const data::Image>> LoadImage(int64_t index) const override {
    const auto image = whole_->LoadImage(index).value();
    auto mirrored = std::make_shared<data::Image>(image->height(), image->width());
    for (int64_t y = 0; y < image->height(); ++y) {
      for (int64_t x = 0; x < image->width(); ++x) {
        const int64_t from = 3 * (y * image->width() + image->width() - 1 - x);
        std::copy_n(image->data() + from, 3, mirrored->data() + 3 * (y * image->width() + x));
      }
    }
    return mirrored;
  }
  const std::string& fingerprint() const override { return whole_->fingerprint(); }
  const data::DefectReport& defects() const override { return whole_->defects(); }

 private:
  std::shared_ptr<const data::Dataset> whole_;
};

TEST(ProposeAllTest, MirroredUsesMirrorImages) {
  const auto dataset = Shapes();
  const auto stored_mirrored = std::make_shared<MirroredDataset>(dataset);
  const auto model = Model();
  std::vector<InferredProposals> found[2];
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(ProposeAll(*model, i == 0 ? dataset : stored_mirrored,
                           model->config().rpn().test_proposals(),
                           Options("pad_to_multiple_px: 32"), 0, /*mirrored=*/i == 0,
                           [&](const InferredProposals& image) {
                             found[i].push_back(image);
                             return absl::OkStatus();
                           }),
                IsOk());
  }
  for (size_t p = 0; p < 3; ++p) {
    EXPECT_EQ(found[0][p].boxes, found[1][p].boxes) << p;
    EXPECT_EQ(found[0][p].scores, found[1][p].scores) << p;
  }
}

// The proposals between steps 3 and 4. Mirror images have maps of their own.
TEST(ProposeAllTest, ImagesWithCachedMapsAreNotLoadedAgain) {
  const auto dataset = data::testing::FakeDataset::OfSize(3);
  const auto model = Model();
  InferenceOptions kept = Options();
  kept.features =
      std::make_shared<FrozenFeatures>(model, FrozenFeaturesOptions{.max_bytes = 1 << 24});
  const auto propose = [&](const InferenceOptions& options, bool mirrored) {
    std::vector<InferredProposals> found;
    EXPECT_THAT(
        ProposeAll(*model, dataset, model->config().rpn().test_proposals(), options, 0, mirrored,
                   [&](const InferredProposals& image) {
                     found.push_back(image);
                     return absl::OkStatus();
                   }),
        IsOk());
    return found;
  };
  const auto expect_same = [](const std::vector<InferredProposals>& a,
                              const std::vector<InferredProposals>& b) {
    ASSERT_EQ(a.size(), 3u);
    ASSERT_EQ(b.size(), 3u);
    for (size_t p = 0; p < 3; ++p) {
      EXPECT_GT(a[p].boxes.size(), 0u) << p;
      EXPECT_EQ(a[p].boxes, b[p].boxes) << p;
      EXPECT_EQ(a[p].scores, b[p].scores) << p;
    }
  };
  const auto first = propose(kept, false);
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 1, 1));
  expect_same(propose(kept, false), first);
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 1, 1));
  const auto mirrored = propose(kept, true);
  EXPECT_THAT(dataset->loads(), ElementsAre(2, 2, 2));
  expect_same(propose(Options(), false), first);
  expect_same(propose(Options(), true), mirrored);
}

TEST(ProposeAllTest, GraphsChangeNothing) {
  const rcnn::testing::FakeGraphs graphs;
  const auto dataset = Shapes();
  const auto model = Model();
  std::vector<std::vector<float>> scores[2];
  for (const int64_t max_graphs : {0, 2}) {
    InferenceOptions options = Options();
    options.max_graphs = max_graphs;
    EXPECT_THAT(ProposeAll(*model, dataset, model->config().rpn().test_proposals(), options, 0,
                           /*mirrored=*/false,
                           [&](const InferredProposals& found) {
                             scores[max_graphs > 0].push_back(found.scores);
                             return absl::OkStatus();
                           }),
                IsOk());
  }
  ASSERT_EQ(scores[0].size(), 3u);
  EXPECT_GT(scores[0][0].size(), 1u);
  EXPECT_EQ(scores[0], scores[1]);
  EXPECT_EQ(graphs.replayed(), 2);
}

TEST(ProposeAllTest, GraphsGiveTheirMemoryBackWhereItRunsOut) {
  rcnn::testing::FakeGraphs graphs;
  const auto model = Model();
  InferenceOptions options = Options();
  options.max_graphs = 2;
  graphs.Exhaust();
  for (const bool mirrored : {false, true}) {
    int64_t images = 0;
    EXPECT_THAT(
        ProposeAll(*model, Shapes(), model->config().rpn().test_proposals(), options, 0, mirrored,
                   [&](const InferredProposals&) {
                     ++images;
                     return absl::OkStatus();
                   }),
        IsOk());
    EXPECT_EQ(images, 3);
  }
  EXPECT_EQ(graphs.recorded(), 2);
  EXPECT_EQ(graphs.replayed(), 0);
}

TEST(ProposeAllTest, TheNumberOfThreadsChangesNothing) {
  const auto dataset = Shapes();
  const auto model = Model();
  const int threads = at::get_num_threads();
  std::vector<InferredProposals> found[2];
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    ASSERT_THAT(
        ProposeAll(*model, dataset, model->config().rpn().test_proposals(), Options(), 0, false,
                   [&](const InferredProposals& image) {
                     found[count - 1].push_back(image);
                     return absl::OkStatus();
                   }),
        IsOk());
  }
  at::set_num_threads(threads);
  for (size_t p = 0; p < 3; ++p) {
    EXPECT_EQ(found[0][p].boxes, found[1][p].boxes) << p;
    EXPECT_EQ(found[0][p].scores, found[1][p].scores) << p;
  }
}

// Together on the CPU, and on another device, whose layers round differently.
TEST(ProposeAllTest, ImagesTogetherGiveWhatEachGives) {
  const auto dataset = MixedSizes();
  const auto model = Model(), far = Model();
  far->to(ops::testing::QueueDevice());
  for (const bool mirrored : {false, true}) {
    SCOPED_TRACE(mirrored);
    const auto propose = [&](const FasterRcnn& network, int64_t together) {
      InferenceOptions options = Options("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
      options.images_together = together;
      std::vector<InferredProposals> found;
      EXPECT_THAT(ProposeAll(network, dataset, network.config().rpn().test_proposals(), options, 0,
                             mirrored,
                             [&](const InferredProposals& image) {
                               found.push_back(image);
                               return absl::OkStatus();
                             }),
                  IsOk());
      return found;
    };
    const auto expected = propose(*model, 1);
    const auto expect_same = [&](const std::vector<InferredProposals>& found, double tolerance) {
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        ExpectSameScores(found[i], expected[i], tolerance);
      }
    };
    expect_same(propose(*model, 3), 1e-5);
    expect_same(propose(*far, 1), 1e-3);
    expect_same(propose(*far, 3), 1e-3);
  }
}

TEST(ProposeAllTest, ImagesBeforeAnUnreadableOneAreKept) {
  const auto dataset = std::make_shared<data::testing::FakeDataset>(
      std::vector<data::testing::FakeImage>{{64, 48}, {64, 48, {}, /*broken=*/true}});
  const auto model = Model();
  int64_t images = 0;
  const absl::Status status = ProposeAll(*model, dataset, model->config().rpn().test_proposals(),
                                         Options(), 0, false, [&](const InferredProposals&) {
                                           ++images;
                                           return absl::OkStatus();
                                         });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-1")));
  EXPECT_EQ(images, 1);
}

// Of two and four ranks; 70 images are several rounds.
TEST(InferenceTest, RanksGiveWhatOneProcessGives) {
  const auto dataset = Shapes(70);
  const auto model = Model();
  const auto run = [&](std::shared_ptr<RankGroup> ranks, std::vector<InferredProposals>& proposals,
                       eval::Detections& detections, int64_t first) -> absl::Status {
    InferenceOptions options = Options();
    options.ranks = std::move(ranks);
    RCNN_RETURN_IF_ERROR(ProposeAll(*model, dataset, model->config().rpn().test_proposals(),
                                    options, first, false, [&](const InferredProposals& found) {
                                      proposals.push_back(found);
                                      return absl::OkStatus();
                                    }));
    options.take_proposals = [](InferredProposals found) { EXPECT_GT(found.boxes.size(), 0u); };
    RCNN_ASSIGN_OR_RETURN(detections, DetectAll({model, model}, dataset, options));
    return absl::OkStatus();
  };
  std::vector<InferredProposals> proposals;
  eval::Detections detections;
  ASSERT_THAT(run(nullptr, proposals, detections, 0), IsOk());
  for (const auto& setup : {std::pair(2, 0), std::pair(4, 0), std::pair(3, 5)}) {
    const int ranks = setup.first, first = setup.second;
    SCOPED_TRACE(ranks);
    std::vector<std::vector<InferredProposals>> found(static_cast<size_t>(ranks));
    std::vector<eval::Detections> detected(static_cast<size_t>(ranks));
    const auto statuses = RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) {
      const auto rank = static_cast<size_t>(group->rank());
      return run(std::move(group), found[rank], detected[rank], first);
    });
    EXPECT_THAT(statuses, ::testing::Each(IsOk()));
    ASSERT_EQ(found[0].size(), proposals.size() - static_cast<size_t>(first));
    for (size_t i = 0; i < found[0].size(); ++i) {
      const InferredProposals& expected = proposals[i + static_cast<size_t>(first)];
      EXPECT_EQ(found[0][i].boxes, expected.boxes) << i;
      EXPECT_EQ(found[0][i].scores, expected.scores) << i;
    }
    EXPECT_EQ(detected[0].image_ids, detections.image_ids);
    EXPECT_EQ(detected[0].boxes, detections.boxes);
    EXPECT_EQ(detected[0].scores, detections.scores);
    EXPECT_EQ(found[1].size() + static_cast<size_t>(detected[1].size()), 0u);
  }
}

// Rank 0 has the images before it, whichever rank's it is.
TEST(InferenceTest, AnUnreadableImageOfARankEndsAll) {
  for (const int64_t torn : {0, 5, 41}) {
    SCOPED_TRACE(torn);
    std::vector<data::testing::FakeImage> images(50, {64, 48});
    images[static_cast<size_t>(torn)].broken = true;
    const auto dataset = std::make_shared<data::testing::FakeDataset>(images);
    const auto model = Model();
    size_t taken = 0;
    const auto statuses = RunRanks(2, [&](std::shared_ptr<RankGroup> group) {
      InferenceOptions options = Options();
      options.ranks = std::move(group);
      return ProposeAll(*model, dataset, model->config().rpn().test_proposals(), options, 0, false,
                        [&](const InferredProposals&) {
                          ++taken;
                          return absl::OkStatus();
                        });
    });
    for (const absl::Status& status : statuses) {
      EXPECT_FALSE(status.ok());
      EXPECT_THAT(std::string(status.message()),
                  AllOf(::testing::StartsWith(torn % 2 == 0 ? "rank 0: " : "rank 1: "),
                        HasSubstr("the same command")));
    }
    EXPECT_EQ(taken, static_cast<size_t>(torn));
  }
}

// Four images of one size, which are grey except the third.
class OneWhite : public data::testing::FakeDataset {
 public:
  OneWhite() : FakeDataset(std::vector<data::testing::FakeImage>(4, {64, 48})) {}
  absl::StatusOr<std::shared_ptr<const data::Image>> LoadImage(int64_t index) const override {
    auto image = std::make_shared<data::Image>(48, 64);
    std::fill_n(image->data(), 3 * 48 * 64, static_cast<uint8_t>(index == 2 ? 255 : 127));
    return image;
  }
};

// With such weights all logits overflow, except those of a map of zeros.
TEST(InferenceTest, OfImagesTogetherTheOneThatFailsHasTheError) {
  std::string config = kModel;
  const std::string mean = "127.5, 127.5, 127.5";
  config.replace(config.find(mean), mean.size(), "127, 127, 127");
  const auto model = Model(1, config);
  at::NoGradGuard no_grad;
  model->named_parameters()["rpn.conv.weight"].mul_(1e10);
  model->named_parameters()["rpn.cls_score.weight"].mul_(1e35);
  InferenceOptions options = Options();
  options.images_together = 4;
  int64_t taken = 0;
  const absl::Status status =
      ProposeAll(*model, std::make_shared<OneWhite>(), model->config().rpn().test_proposals(),
                 options, 0, false, [&](const InferredProposals&) {
                   ++taken;
                   return absl::OkStatus();
                 });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, HasSubstr("image-2")));
  EXPECT_EQ(taken, 2);
}

TEST(ProposeAllTest, StopsOnShutdown) {
  const auto dataset = Shapes();
  const auto model = Model();
  int64_t images = 0;
  const absl::Status status = ProposeAll(*model, dataset, model->config().rpn().test_proposals(),
                                         Options(), 0, false, [&](const InferredProposals&) {
                                           ++images;
                                           RequestShutdown(15);
                                           return absl::OkStatus();
                                         });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  // Images in progress are not lost.
  EXPECT_EQ(images, std::min(2, at::get_num_threads()));
  EXPECT_THAT(DetectAll({model, model}, dataset, Options()),
              StatusIs(absl::StatusCode::kCancelled));
  ResetShutdownForTesting();
}

TEST(InferenceTest, ErrorNamesTheImage) {
  const auto broken = std::make_shared<data::testing::FakeDataset>(
      std::vector<data::testing::FakeImage>{{64, 48}, {64, 48, {}, /*broken=*/true}});
  const auto model = Model();
  EXPECT_THAT(DetectAll({model, model}, broken, Options()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-1")));
  at::NoGradGuard no_grad;
  model->named_parameters()["rpn.cls_score.bias"].fill_(NAN);
  const auto dataset = Shapes();
  const absl::Status status = DetectAll({model, model}, dataset, Options()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, HasSubstr(dataset->image(0).name)));
  const absl::Status proposing =
      ProposeAll(*model, dataset, model->config().rpn().test_proposals(), Options(), 0, false,
                 [](const InferredProposals&) { return absl::OkStatus(); });
  EXPECT_THAT(proposing, StatusIs(absl::StatusCode::kInternal, HasSubstr(dataset->image(0).name)));
}

}  // namespace
}  // namespace rcnn::training
