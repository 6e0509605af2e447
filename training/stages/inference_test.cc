#include "rcnn/training/stages/inference.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/training/testing/inference_cases.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::InferenceModel;
using testing::kInferenceModel;
using testing::MakeOptions;
using testing::SmallShapes;

// Of two and four ranks; 70 images are several rounds.
TEST(InferenceTest, RanksGiveWhatOneProcessGives) {
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
TEST(InferenceTest, AnUnreadableImageOfARankEndsAll) {
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
TEST(InferenceTest, OfImagesTogetherTheOneThatFailsHasTheError) {
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

TEST(InferenceTest, ErrorNamesTheImage) {
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
