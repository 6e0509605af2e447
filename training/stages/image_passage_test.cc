// What holds for all passages, shown with ProposeAll and DetectAll: ranks, groups of images, errors
// and memory that runs out.

#include "rcnn/training/stages/image_passage.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/training/stages/detect_all.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/testing/inference_cases.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::InferenceModel;
using testing::kInferenceModel;
using testing::MakeOptions;
using ::testing::Not;
using testing::SmallShapes;

// Of two and four ranks; 70 images are several rounds.
TEST(ImagePassageTest, RanksGiveWhatOneProcessGives) {
  const auto dataset = SmallShapes(70);
  const auto model = InferenceModel();
  const auto run = [&](std::shared_ptr<RankGroup> ranks, std::vector<InferredProposals>& proposals,
                       eval::Detections& detections, int64_t first) -> absl::Status {
    InferenceOptions options = MakeOptions();
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
TEST(ImagePassageTest, AnUnreadableImageOfARankEndsAll) {
  for (const int64_t torn : {0, 5, 41}) {
    SCOPED_TRACE(torn);
    std::vector<data::testing::FakeImage> images(50, {64, 48});
    images[static_cast<size_t>(torn)].broken = true;
    const auto dataset = std::make_shared<data::testing::FakeDataset>(images);
    const auto model = InferenceModel();
    size_t taken = 0;
    const auto statuses = RunRanks(2, [&](std::shared_ptr<RankGroup> group) {
      InferenceOptions options = MakeOptions();
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
TEST(ImagePassageTest, OfImagesTogetherTheOneThatFailsHasTheError) {
  std::string config = kInferenceModel;
  const std::string mean = "127.5, 127.5, 127.5";
  config.replace(config.find(mean), mean.size(), "127, 127, 127");
  const auto model = InferenceModel(1, config);
  at::NoGradGuard no_grad;
  model->named_parameters()["rpn.conv.weight"].mul_(1e10);
  model->named_parameters()["rpn.cls_score.weight"].mul_(1e35);
  InferenceOptions options = MakeOptions();
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

// A network without weights, for which memory runs out after some calls.
class LimitedBackbone : public detection::Backbone {
 public:
  LimitedBackbone() : Backbone({{8, 16}}, {}) {}

  static inline std::atomic<int64_t> calls_left = 0;

 protected:
  std::vector<detection::BatchMap> Compute(detection::BatchMap images) const override {
    if (--calls_left < 0) throw std::bad_alloc();
    return {detection::ForEachPart(images, [](const at::Tensor& part) {
      return at::zeros({part.size(0), 8, part.size(2) / 16, part.size(3) / 16}, part.options());
    })};
  }
};

const bool kRegistered =
    detection::RegisterBackbone("limited",
                                [](const configs::RegisteredBackboneConfig&)
                                    -> absl::StatusOr<std::shared_ptr<detection::Backbone>> {
                                  return std::make_shared<LimitedBackbone>();
                                });

constexpr char kLimitedModel[] =
    "backbone { registered { name: 'limited' } }"
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16 }";

// The error of two images, with memory for `calls` calls of the backbone.
absl::Status Exhaust(const FasterRcnn& model, const InferenceOptions& options, bool mirrored,
                     int64_t calls) {
  LimitedBackbone::calls_left = calls;
  return ProposeAll(model, SmallShapes(2), model.config().rpn().test_proposals(), options, 0,
                    mirrored, [](const InferredProposals&) { return absl::OkStatus(); });
}

TEST(ImagePassageTest, WhereMemoryRunsOutTheErrorSaysWhatToLower) {
  ASSERT_TRUE(kRegistered);
  const auto model = InferenceModel(1, kLimitedModel);
  InferenceOptions options = MakeOptions();
  EXPECT_THAT(Exhaust(*model, options, /*mirrored=*/false, 0),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("not enough memory on cpu for 1 image of 48 x 64 pixels: "),
                             HasSubstr("; use smaller images (data.transform.resize)"))));
  options.images_together = 2;
  EXPECT_THAT(Exhaust(*model, options, /*mirrored=*/false, 0),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(" for 2 images of 48 x 64 pixels: "),
                             HasSubstr("; use a smaller resources.inference_batch or smaller "
                                       "images (data.transform.resize)"))));
}

// Maps of the first image are kept when there is no memory for the second one, and still are when
// mirror images, which have none, go through the network.
TEST(ImagePassageTest, WhereMemoryRunsOutBesideCachedMapsTheErrorNamesTheirLimit) {
  const auto model = InferenceModel(1, kLimitedModel);
  InferenceOptions cached = MakeOptions(), mirrored = MakeOptions();
  const auto cache = std::make_shared<FeatureCache>();
  cached.features = std::make_shared<FrozenFeatures>(
      model, FrozenFeaturesOptions{.max_bytes = 1 << 20, .transform = "", .cache = cache});
  const auto names_limit = StatusIs(
      absl::StatusCode::kResourceExhausted,
      HasSubstr("; use a smaller resources.feature_cache_mib (its maps now take 1 MiB) or smaller "
                "images (data.transform.resize)"));
  EXPECT_THAT(Exhaust(*model, cached, /*mirrored=*/false, 1), names_limit);
  EXPECT_EQ(cache->bytes(), 8 * 3 * 4 * 4);
  EXPECT_THAT(Exhaust(*model, mirrored, /*mirrored=*/true, 0),
              StatusIs(absl::StatusCode::kResourceExhausted, Not(HasSubstr("feature_cache_mib"))));
  mirrored.cache = cache;
  EXPECT_THAT(Exhaust(*model, mirrored, /*mirrored=*/true, 0), names_limit);
}

TEST(ImagePassageTest, ErrorNamesTheImage) {
  const auto broken = std::make_shared<data::testing::FakeDataset>(
      std::vector<data::testing::FakeImage>{{64, 48}, {64, 48, {}, /*broken=*/true}});
  const auto model = InferenceModel();
  EXPECT_THAT(DetectAll({model, model}, broken, MakeOptions()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-1")));
  at::NoGradGuard no_grad;
  model->named_parameters()["rpn.cls_score.bias"].fill_(NAN);
  const auto dataset = SmallShapes();
  const absl::Status status = DetectAll({model, model}, dataset, MakeOptions()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, HasSubstr(dataset->image(0).name)));
  const absl::Status proposing =
      ProposeAll(*model, dataset, model->config().rpn().test_proposals(), MakeOptions(), 0, false,
                 [](const InferredProposals&) { return absl::OkStatus(); });
  EXPECT_THAT(proposing, StatusIs(absl::StatusCode::kInternal, HasSubstr(dataset->image(0).name)));
}

}  // namespace
}  // namespace rcnn::training
