// What is proposed: mirrored, from cached maps, together and on another device.

#include "rcnn/training/stages/propose_all.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/stages/detect_all.h"
#include "rcnn/training/testing/inference_cases.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ::testing::ElementsAre;
using testing::ExpectSameScores;
using ::testing::HasSubstr;
using testing::InferenceModel;
using testing::MakeOptions;
using testing::MixedSizes;
using testing::SmallShapes;

// The proposals of each image.
std::vector<InferredProposals> Propose(const FasterRcnn& model,
                                       std::shared_ptr<const data::Dataset> dataset,
                                       const InferenceOptions& options, bool mirrored) {
  std::vector<InferredProposals> found;
  EXPECT_THAT(ProposeAll(model, std::move(dataset), model.config().rpn().test_proposals(), options,
                         /*first=*/0, mirrored,
                         [&](const InferredProposals& image) {
                           found.push_back(image);
                           return absl::OkStatus();
                         }),
              IsOk());
  return found;
}

void ExpectEqual(const std::vector<InferredProposals>& a, const std::vector<InferredProposals>& b) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 0u);
  for (size_t p = 0; p < a.size(); ++p) {
    EXPECT_GT(a[p].boxes.size(), 0u) << p;
    EXPECT_EQ(a[p].boxes, b[p].boxes) << p;
    EXPECT_EQ(a[p].scores, b[p].scores) << p;
  }
}

TEST(ProposeAllTest, ResumesAtAnyImage) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  std::vector<InferredProposals> all, rest;
  const auto run = [&](int64_t first, std::vector<InferredProposals>& into) {
    return ProposeAll(*model, dataset, model->config().rpn().test_proposals(), MakeOptions(), first,
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

// Two threads compute two of the images 1 to 3, then the last.
TEST(ProposeAllTest, ReportsTheImagesThatAreComputedAtATime) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const auto model = InferenceModel();
  std::vector<std::string> reports;
  InferenceOptions options = MakeOptions();
  options.started = [&](int64_t done) { reports.push_back(absl::StrCat("started ", done)); };
  options.progress = [&](int64_t done) { reports.push_back(absl::StrCat(done)); };
  const auto take = [&](const InferredProposals&) {
    reports.push_back("image");
    return absl::OkStatus();
  };
  EXPECT_THAT(ProposeAll(*model, SmallShapes(4), model->config().rpn().test_proposals(), options,
                         /*first=*/1, /*mirrored=*/false, take),
              IsOk());
  at::set_num_threads(threads);
  EXPECT_THAT(reports, ElementsAre("started 1", "image", "image", "3", "image", "4"));
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
  const auto dataset = SmallShapes();
  const auto stored_mirrored = std::make_shared<MirroredDataset>(dataset);
  const auto model = InferenceModel();
  const InferenceOptions options = MakeOptions("pad_to_multiple_px: 32");
  ExpectEqual(Propose(*model, dataset, options, /*mirrored=*/true),
              Propose(*model, stored_mirrored, options, /*mirrored=*/false));
}

// The proposals between steps 3 and 4. Mirror images have maps of their own.
TEST(ProposeAllTest, ImagesWithCachedMapsAreNotLoadedAgain) {
  const auto dataset = data::testing::FakeDataset::OfSize(3);
  const auto model = InferenceModel();
  InferenceOptions kept = MakeOptions();
  kept.features =
      std::make_shared<FrozenFeatures>(model, FrozenFeaturesOptions{.max_bytes = 1 << 24});
  const auto first = Propose(*model, dataset, kept, /*mirrored=*/false);
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 1, 1));
  ExpectEqual(Propose(*model, dataset, kept, /*mirrored=*/false), first);
  EXPECT_THAT(dataset->loads(), ElementsAre(1, 1, 1));
  const auto mirrored = Propose(*model, dataset, kept, /*mirrored=*/true);
  EXPECT_THAT(dataset->loads(), ElementsAre(2, 2, 2));
  ExpectEqual(Propose(*model, dataset, MakeOptions(), /*mirrored=*/false), first);
  ExpectEqual(Propose(*model, dataset, MakeOptions(), /*mirrored=*/true), mirrored);
}

TEST(ProposeAllTest, GraphsChangeNothing) {
  const rcnn::testing::FakeGraphs graphs;
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  InferenceOptions options = MakeOptions();
  const auto plain = Propose(*model, dataset, options, /*mirrored=*/false);
  options.max_graphs = 2;
  ExpectEqual(Propose(*model, dataset, options, /*mirrored=*/false), plain);
  EXPECT_EQ(plain.size(), 3u);
  EXPECT_GT(plain[0].scores.size(), 1u);
  EXPECT_EQ(graphs.replayed(), 2);
}

TEST(ProposeAllTest, GraphsGiveTheirMemoryBackWhereItRunsOut) {
  rcnn::testing::FakeGraphs graphs;
  const auto model = InferenceModel();
  InferenceOptions options = MakeOptions();
  options.max_graphs = 2;
  graphs.Exhaust();
  for (const bool mirrored : {false, true}) {
    EXPECT_EQ(Propose(*model, SmallShapes(), options, mirrored).size(), 3u);
  }
  EXPECT_EQ(graphs.recorded(), 2);
  EXPECT_EQ(graphs.replayed(), 0);
}

TEST(ProposeAllTest, TheNumberOfThreadsChangesNothing) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = Propose(*model, dataset, MakeOptions(), /*mirrored=*/false);
  at::set_num_threads(2);
  const auto together = Propose(*model, dataset, MakeOptions(), /*mirrored=*/false);
  at::set_num_threads(threads);
  ExpectEqual(together, alone);
}

// Together on the CPU, and on another device, whose layers round differently.
TEST(ProposeAllTest, ImagesTogetherGiveWhatEachGives) {
  const auto dataset = MixedSizes();
  const auto model = InferenceModel(), far = InferenceModel();
  far->to(ops::testing::QueueDevice());
  for (const bool mirrored : {false, true}) {
    SCOPED_TRACE(mirrored);
    const auto propose = [&](const FasterRcnn& network, int64_t together) {
      InferenceOptions options =
          MakeOptions("resize { shortest_side_px: 56 } pad_to_multiple_px: 16");
      options.images_together = together;
      return Propose(network, dataset, options, mirrored);
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
  const auto model = InferenceModel();
  int64_t images = 0;
  const absl::Status status = ProposeAll(*model, dataset, model->config().rpn().test_proposals(),
                                         MakeOptions(), 0, false, [&](const InferredProposals&) {
                                           ++images;
                                           return absl::OkStatus();
                                         });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-1")));
  EXPECT_EQ(images, 1);
}

TEST(ProposeAllTest, StopsOnShutdown) {
  const auto dataset = SmallShapes();
  const auto model = InferenceModel();
  int64_t images = 0;
  const absl::Status status = ProposeAll(*model, dataset, model->config().rpn().test_proposals(),
                                         MakeOptions(), 0, false, [&](const InferredProposals&) {
                                           ++images;
                                           RequestShutdown(15);
                                           return absl::OkStatus();
                                         });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  // Images in progress are not lost.
  EXPECT_EQ(images, std::min(2, at::get_num_threads()));
  EXPECT_THAT(DetectAll({model, model}, dataset, MakeOptions()),
              StatusIs(absl::StatusCode::kCancelled));
  ResetShutdownForTesting();
}

}  // namespace
}  // namespace rcnn::training
