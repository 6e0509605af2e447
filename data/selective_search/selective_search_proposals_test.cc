#include "rcnn/data/selective_search/selective_search_proposals.h"

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using configs::SelectiveSearchConfig;
using testing::FakeDataset;
using testing::FakeImage;
using ::testing::HasSubstr;

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

SelectiveSearchRun RunTo(const std::string& name, int threads) {
  SelectiveSearchRun run;
  run.path = TempPath(name);
  run.threads = threads;
  run.quiet = true;
  return run;
}

TEST(SelectiveSearchProposalsTest, TheFileIsTheSameForAnyNumberOfThreads) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(12);
  SelectiveSearchConfig config;
  config.set_min_side_px(0);
  const auto one = WriteSelectiveSearchProposals(*dataset, config, RunTo("one", 1));
  const auto three = WriteSelectiveSearchProposals(*dataset, config, RunTo("three", 3));
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(three, IsOk());
  EXPECT_EQ(*ReadFile(TempPath("one")), *ReadFile(TempPath("three")));
  const auto file = ProposalFile::Open(TempPath("one"), *dataset);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->source(), HasSubstr("selective search, FAST: min_side_px: 0"));
  for (int64_t i = 0; i < 12; ++i) EXPECT_FALSE((*file)->Get(i)->boxes.empty());
}

TEST(SelectiveSearchProposalsTest, BoxesFollowTheDatasetsConvention) {
  const std::vector<FakeImage> images = {{12, 10}};
  SelectiveSearchConfig config;
  for (const bool inclusive : {false, true}) {
    const FakeDataset dataset(images, inclusive);
    ASSERT_THAT(WriteSelectiveSearchProposals(dataset, config, RunTo("form", 1)), IsOk());
    const auto file = ProposalFile::Open(TempPath("form"), dataset);
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ((*file)->Get(0)->boxes[0], inclusive ? (Box{0, 0, 11, 9}) : (Box{0, 0, 12, 10}));
  }
}

TEST(SelectiveSearchProposalsTest, UnreadableImageLeavesNoFile) {
  std::vector<FakeImage> images(9, {20, 20});
  images[4].broken = true;
  const absl::Status status =
      WriteSelectiveSearchProposals(FakeDataset(images), {}, RunTo("broken", 2));
  EXPECT_EQ(status, absl::InvalidArgumentError("image-4.jpg: damaged"));
  EXPECT_THAT(ReadFile(TempPath("broken")), ::testing::Not(IsOk()));
}

TEST(SelectiveSearchProposalsTest, ShutdownLeavesNoFile) {
  RequestShutdown(SIGTERM);
  const absl::Status status =
      WriteSelectiveSearchProposals(*FakeDataset::OfSize(30), {}, RunTo("cancelled", 2));
  ResetShutdownForTesting();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(ReadFile(TempPath("cancelled")), ::testing::Not(IsOk()));
}

TEST(SelectiveSearchProposalsTest, ResumesAfterAnError) {
  const std::shared_ptr<FakeDataset> whole = FakeDataset::OfSize(12);
  ASSERT_THAT(WriteSelectiveSearchProposals(*whole, {}, RunTo("undisturbed", 1)), IsOk());
  std::vector<FakeImage> images;
  for (int64_t i = 0; i < 12; ++i) {
    images.push_back({whole->image(i).width, whole->image(i).height, whole->objects(i), i == 7});
  }
  std::vector<int64_t> started;
  SelectiveSearchRun run = RunTo("resumed", 1);
  run.started = [&](int64_t done) { started.push_back(done); };
  const FakeDataset damaged(images);
  ASSERT_THAT(WriteSelectiveSearchProposals(damaged, {}, run), ::testing::Not(IsOk()));
  images[7].broken = false;
  const FakeDataset repaired(images);
  ASSERT_THAT(WriteSelectiveSearchProposals(repaired, {}, run), IsOk());
  EXPECT_EQ(*ReadFile(run.path), *ReadFile(TempPath("undisturbed")));
  EXPECT_EQ(repaired.loads()[0], 0);
  EXPECT_EQ(repaired.loads()[7], 1);
  EXPECT_THAT(started, ::testing::ElementsAre(0, 7));
  EXPECT_THAT(ReadFile(run.path + ".partial"), ::testing::Not(IsOk()));
}

TEST(SelectiveSearchProposalsTest, BadConfigIsAnError) {
  SelectiveSearchConfig config;
  config.set_sigma(-1);
  EXPECT_THAT(WriteSelectiveSearchProposals(*FakeDataset::OfSize(1), config, RunTo("config", 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sigma is -1")));
}

}  // namespace
}  // namespace rcnn::data
