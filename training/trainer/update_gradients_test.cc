// The gradients of one update by several ranks, as threads of this process, against those of one
// process, which divides by the numbers of samples of whole batches by itself.

#include "rcnn/training/trainer/update_gradients.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/batch_summary.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kImages = 4;
// An update by the RPN alone leaves the head without gradients.
constexpr char kParts[] =
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
    "      train_proposals { before_nms: 50 after_nms: 10 } }"
    "head { fc { fc_channels: [16] } targets { rois_per_image: 16 } }";

// The images of another dataset, of which only the first `with_objects` have objects.
class PartlyEmptyDataset : public data::Dataset {
 public:
  PartlyEmptyDataset(std::shared_ptr<const data::Dataset> whole, int64_t with_objects)
      : whole_(std::move(whole)), with_objects_(with_objects) {}
  int64_t size() const override { return whole_->size(); }
  const data::ClassList& classes() const override { return whole_->classes(); }
  data::ImageInfo image(int64_t index) const override { return whole_->image(index); }
  std::vector<data::Object> objects(int64_t index) const override {
    return index < with_objects_ ? whole_->objects(index) : std::vector<data::Object>();
  }
  absl::StatusOr<std::shared_ptr<const data::Image>> LoadImage(int64_t index) const override {
    return whole_->LoadImage(index);
  }
  const std::string& fingerprint() const override { return whole_->fingerprint(); }
  const data::DefectReport& defects() const override { return whole_->defects(); }

 private:
  const std::shared_ptr<const data::Dataset> whole_;
  const int64_t with_objects_;
};

std::shared_ptr<const data::Dataset> DatasetWith(int64_t with_objects) {
  auto shapes = testing::Shapes(kImages);
  EXPECT_FALSE(shapes->objects(0).empty());
  return std::make_shared<PartlyEmptyDataset>(std::move(shapes), with_objects);
}

std::shared_ptr<FasterRcnn> Model() {
  auto model = FasterRcnn::Create(configs::ParseTextOrDie<configs::ModelConfig>(
                                      absl::StrCat("backbone { tiny { channels: 8 } }", kParts)),
                                  2)
                   .value();
  detection::ResetParameters(*model, MakeGenerator({7, "update_gradients_test", 0, "weights"}));
  model->train();
  return model;
}

struct UpdateSetup {
  bool is_joint = false;  // otherwise of the RPN alone
  int batches = 1;
  int images = kImages;  // of each batch
  int64_t with_objects = kImages;
  // Freezes parts of a network.
  std::function<void(FasterRcnn&)> freeze = nullptr;
  // What a rank adds to its loss, with a parameter of ones [3] that the network does not use.
  std::function<at::Tensor(int rank, const at::Tensor& extra)> add = nullptr;
};

// What a rank has after the update.
struct Found {
  UpdateReport report;
  std::map<std::string, at::Tensor> gradients;  // undefined where a parameter has none
  std::map<std::string, double> means;          // of what one process logs
};

LossFunction MakeLosses(const UpdateSetup& setup, const UpdateOptions& options,
                        const std::shared_ptr<FasterRcnn>& model, const at::Tensor& extra) {
  LossFunction losses = MakeRpnLoss(model, nullptr);
  if (setup.is_joint) {
    losses = options.exchange == nullptr ? MakeJointLoss(model)
                                         : MakeSharedJointLoss(model, options.exchange);
  }
  if (setup.add == nullptr) return losses;
  const int rank = options.ranks == nullptr ? 0 : options.ranks->rank();
  return [=](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step = losses(batch, generator);
    step.total = step.total + setup.add(rank, extra);
    return step;
  };
}

UpdateOptions MakeOptions(const UpdateSetup& setup, const std::shared_ptr<RankGroup>& ranks) {
  UpdateOptions options;
  options.stage = "stage";
  options.seed = 4;
  options.batches = setup.batches;
  options.ranks = ranks;
  if (ranks != nullptr && setup.is_joint && HasParts(ranks->size(), setup.batches)) {
    options.exchange = std::make_shared<ProposalExchange>(
        ranks, ShareOfUpdate(ranks->rank(), ranks->size(), setup.batches));
  }
  return options;
}

std::unique_ptr<data::Loader> MakeLoader(const UpdateSetup& setup, const UpdateShare& share) {
  data::LoaderOptions options;
  options.batches.batching.set_images_per_batch(setup.images);
  options.batches.seed = 4;
  options.batches.stage = "stage";
  options.resources.set_workers(0);
  options.share = share.iterations;
  options.contents.part = share.part;
  return data::Loader::Create(DatasetWith(setup.with_objects), options).value();
}

absl::StatusOr<Found> ComputeUpdate(const UpdateSetup& setup,
                                    const std::shared_ptr<RankGroup>& ranks) {
  const auto model = Model();
  if (setup.freeze) setup.freeze(*model);
  std::vector<TrainedParameter> parameters = {{"extra", at::ones({3}).requires_grad_()}};
  for (auto& [name, value] : detection::TrainableParameters(*model)) {
    parameters.push_back({name, value});
  }
  const UpdateOptions options = MakeOptions(setup, ranks);
  const UpdateErrors errors(model, /*directory=*/"");
  RunningMeans means;
  UpdateGradients gradients(options, *model, parameters,
                            MakeLosses(setup, options, model, parameters.front().value), errors,
                            means);
  const Solver solver =
      Solver::Create(
          configs::ParseTextOrDie<configs::SolverConfig>("sgd {} learning_rate: 0.1 iterations: 1"),
          parameters)
          .value();
  const auto loader = MakeLoader(setup, gradients.share());
  absl::StatusOr<UpdateReport> report =
      gradients.Compute(solver, *loader, /*done=*/0, /*wants_checkpoint=*/false);
  if (!report.ok()) return report.status();
  if (!report->status.ok()) return report->status;
  Found found = {*std::move(report), {}, {}};
  for (const TrainedParameter& parameter : parameters) {
    found.gradients[parameter.name] = parameter.value.grad();
  }
  for (const auto& [name, mean] : means.Take()) found.means[name] = mean;
  return found;
}

Found OfOneProcess(const UpdateSetup& setup) {
  absl::StatusOr<Found> found = ComputeUpdate(setup, nullptr);
  EXPECT_THAT(found, IsOk());
  return found.ok() ? *std::move(found) : Found();
}

std::vector<Found> OfRanks(int ranks, const UpdateSetup& setup) {
  std::vector<Found> all(static_cast<size_t>(ranks));
  const auto statuses = RunRanks(ranks, [&](const std::shared_ptr<RankGroup>& group) {
    absl::StatusOr<Found> found = ComputeUpdate(setup, group);
    if (found.ok()) all[static_cast<size_t>(group->rank())] = *std::move(found);
    return found.status();
  });
  EXPECT_THAT(statuses, Each(IsOk()));
  return all;
}

// The largest difference, relative to the largest value.
double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  const double scale = std::max(1e-6, a.abs().max().item<double>());
  return (a - b).abs().max().item<double>() / scale;
}

void ExpectNear(const Found& alone, const std::vector<Found>& ranks) {
  for (const auto& [name, expected] : alone.gradients) {
    SCOPED_TRACE(name);
    for (const Found& found : ranks) {
      const at::Tensor gradient = found.gradients.at(name);
      ASSERT_EQ(gradient.defined(), expected.defined());
      if (!expected.defined()) continue;
      // A gradient is a sum in which much cancels. Divided by the numbers of each rank alone it
      // would differ by far more.
      EXPECT_LT(RelativeDifference(expected, gradient), 1e-4);
      EXPECT_TRUE(at::equal(gradient, ranks.front().gradients.at(name))) << "ranks differ";
    }
  }
}

// Only one image of four has objects, so all but one rank have none. Each of them has the sampled
// anchors and RoIs of its images in a loss that is divided by the numbers of the whole batch.
TEST(UpdateGradientsTest, RanksWithoutObjectsCountInTheWholeBatch) {
  for (const bool is_joint : {false, true}) {
    for (const auto& [batches, ranks] : {std::pair(1, 2), std::pair(1, 4), std::pair(2, 2)}) {
      SCOPED_TRACE(absl::StrCat(is_joint, " ", batches, " batches, ", ranks, " ranks"));
      const UpdateSetup setup = {is_joint, batches, kImages / batches, /*with_objects=*/1};
      ExpectNear(OfOneProcess(setup), OfRanks(ranks, setup));
    }
  }
}

TEST(UpdateGradientsTest, ReportsTheNumbersOfTheWholeBatch) {
  for (const bool is_joint : {false, true}) {
    SCOPED_TRACE(is_joint);
    const UpdateSetup setup = {is_joint, /*batches=*/1, kImages, /*with_objects=*/1};
    const Found alone = OfOneProcess(setup);
    for (const Found& found : OfRanks(3, setup)) {
      ASSERT_EQ(found.report.batches.size(), 1u);
      const BatchReport& batch = found.report.batches.front();
      EXPECT_EQ(batch.images, kImages);
      EXPECT_NEAR(batch.loss, alone.means.at("loss"), 1e-5 * std::abs(batch.loss));
      EXPECT_FALSE(batch.counts.empty());
      for (const auto& [name, count] : batch.counts) EXPECT_EQ(count, alone.means.at(name)) << name;
    }
  }
}

// Nothing is read until then, and the weights are not finite from the third iteration on.
TEST(UpdateGradientsTest, CheckFiniteNamesTheImagesOfTheFirstBadIterationOfADevice) {
  const UpdateSetup setup = {/*is_joint=*/false, /*batches=*/1, /*images=*/1};
  const auto model = Model();
  model->to(ops::testing::QueueDevice());
  std::vector<TrainedParameter> parameters;
  for (auto& [name, value] : detection::TrainableParameters(*model)) {
    parameters.push_back({name, value});
  }
  const UpdateErrors errors(model, /*directory=*/"");
  RunningMeans means;
  UpdateGradients gradients(MakeOptions(setup, nullptr), *model, parameters,
                            MakeRpnLoss(model, nullptr, Sampling::kFixedSize), errors, means);
  const Solver solver =
      Solver::Create(
          configs::ParseTextOrDie<configs::SolverConfig>("sgd {} learning_rate: 0.1 iterations: 4"),
          parameters)
          .value();
  const auto loader = MakeLoader(setup, gradients.share());
  ops::testing::TakeWaits();
  for (int64_t done = 0; done < 4; ++done) {
    if (done == 2) parameters.front().value.detach().fill_(NAN);
    EXPECT_THAT(gradients.Compute(solver, *loader, done, /*wants_checkpoint=*/false), IsOk());
  }
  EXPECT_THAT(ops::testing::TakeWaits(), IsEmpty());
  const auto again = MakeLoader(setup, gradients.share());
  std::string third;
  for (int i = 0; i < 3; ++i) third = ListImages(again->Next().value());
  EXPECT_THAT(gradients.CheckFinite(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(absl::StrCat("iteration 3 on the images ", third,
                                              ": not finite on the "
                                              "device: "))));
}

// A batch of one or two images, and as many ranks or more.
TEST(UpdateGradientsTest, RanksWithoutImagesAddNothing) {
  for (const bool is_joint : {false, true}) {
    for (const auto& [images, ranks] : {std::pair(1, 2), std::pair(2, 4)}) {
      SCOPED_TRACE(absl::StrCat(is_joint, " ", images, " images, ", ranks, " ranks"));
      const UpdateSetup setup = {is_joint, /*batches=*/1, images};
      ExpectNear(OfOneProcess(setup), OfRanks(ranks, setup));
    }
  }
}

// The RPN's loss, which does not use the head, and a backbone that is not trained.
TEST(UpdateGradientsTest, FrozenAndUnusedParametersHaveNoGradientOnAnyRank) {
  UpdateSetup setup;
  setup.freeze = [](FasterRcnn& model) {
    torch::nn::Module* const backbone = detection::FindPart(model, "backbone");
    ASSERT_NE(backbone, nullptr);
    detection::Freeze(*backbone);
  };
  const Found alone = OfOneProcess(setup);
  const std::vector<Found> ranks = OfRanks(2, setup);
  ExpectNear(alone, ranks);
  int of_head = 0, of_rpn = 0;
  for (const auto& [name, gradient] : ranks.front().gradients) {
    EXPECT_NE(name.rfind("backbone", 0), 0u) << name;
    const bool is_head = name.rfind("head", 0) == 0;
    EXPECT_EQ(gradient.defined(), !is_head && name != "extra") << name;
    ++(is_head ? of_head : of_rpn);
  }
  EXPECT_GT(of_head, 0);
  EXPECT_GT(of_rpn, 1);
}

// Rank 1 alone uses it, in its part of the batch or in its whole batch.
TEST(UpdateGradientsTest, AParameterThatOneRankUsesHasItsGradientOnAll) {
  for (const int batches : {1, 2}) {
    SCOPED_TRACE(batches);
    UpdateSetup setup = {/*is_joint=*/false, batches, kImages / batches};
    setup.add = [](int rank, const at::Tensor& extra) {
      return rank == 1 ? extra.mul(2.5).sum() : at::zeros({});
    };
    for (const Found& found : OfRanks(2, setup)) {
      ASSERT_TRUE(found.gradients.at("extra").defined());
      EXPECT_TRUE(at::equal(found.gradients.at("extra"), at::full({3}, 2.5f)));
    }
  }
}

}  // namespace
}  // namespace rcnn::training
